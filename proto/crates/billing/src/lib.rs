//! The contract of billing: the package `levqor.billing.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
