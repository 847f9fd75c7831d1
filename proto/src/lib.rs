#![doc = include_str!("../README.md")]

pub use levqor_proto_base::{google, options, r#type};
pub use levqor_proto_billing as billing;
pub use levqor_proto_notifications as notifications;
pub use levqor_proto_runtime as runtime;

/// The descriptors of every package, encoded, with their imports and all options.
pub const FILE_DESCRIPTOR_SETS: &[&[u8]] =
    &[runtime::FILE_DESCRIPTOR_SET, billing::FILE_DESCRIPTOR_SET, notifications::FILE_DESCRIPTOR_SET];
