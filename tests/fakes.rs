//! Outside systems that tests can drive: they keep what they were told, and misbehave on demand.

pub(crate) mod mail;
pub(crate) mod stripe;
