//! The contract of mail: the package `levqor.mail.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
