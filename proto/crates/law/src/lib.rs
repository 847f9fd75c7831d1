//! The contract of what services tell and ask compliance: the package `levqor.law.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
