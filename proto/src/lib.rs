#![doc = include_str!("../README.md")]

/// Every proto of the mesh with its options, encoded; decode it with `prost_reflect::DescriptorPool`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

mod generated {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // Generated; its documentation is the protos'.
    include!(concat!(env!("OUT_DIR"), "/mod.rs"));
    include!(concat!(env!("OUT_DIR"), "/debug.rs"));
}

pub use generated::{google, levqor};
pub use levqor::{billing, mail, notifications, options, runtime, r#type};
