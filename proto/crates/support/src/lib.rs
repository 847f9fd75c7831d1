//! The contract of support: the package `levqor.support.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
