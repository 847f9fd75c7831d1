//! The contract of inbound mail: the package `levqor.inbound.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
