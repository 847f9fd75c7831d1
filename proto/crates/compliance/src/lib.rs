//! The contract of compliance: the package `levqor.compliance.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
