//! The contract of notifications: the package `levqor.notifications.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
