//! The contract of the RPCs that every service hosts: the package `levqor.runtime.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
