//! Keyed hashes of addresses, under the name that the rules of this service use.

pub use levqor_runtime::address::{AddressHash, AddressKey, TooShort};
