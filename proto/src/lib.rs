#![doc = include_str!("../README.md")]

pub use levqor_proto_base::{google, options, r#type};
pub use levqor_proto_billing as billing;
pub use levqor_proto_compliance as compliance;
pub use levqor_proto_inbound as inbound;
pub use levqor_proto_law as law;
pub use levqor_proto_mail as mail;
pub use levqor_proto_notifications as notifications;
pub use levqor_proto_runtime as runtime;
pub use levqor_proto_support as support;

/// The descriptors of every package, encoded, with their imports and all options.
pub const FILE_DESCRIPTOR_SETS: &[&[u8]] = &[
    runtime::FILE_DESCRIPTOR_SET,
    billing::FILE_DESCRIPTOR_SET,
    compliance::FILE_DESCRIPTOR_SET,
    inbound::FILE_DESCRIPTOR_SET,
    law::FILE_DESCRIPTOR_SET,
    mail::FILE_DESCRIPTOR_SET,
    notifications::FILE_DESCRIPTOR_SET,
    support::FILE_DESCRIPTOR_SET,
];
