//! Outside systems that tests can drive: they keep what they were told, and misbehave on demand.

#[expect(dead_code, reason = "shared with the tests of notifications, which need all of it")]
pub(crate) mod mail;
#[expect(dead_code, reason = "shared with the tests of notifications, which need all of it")]
pub(crate) mod smtp;
pub(crate) mod stripe;
