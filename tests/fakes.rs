//! Fake outside systems that tests control: they keep what they receive, and misbehave on demand.

#[expect(dead_code, reason = "shared with the tests of notifications, which need all of it")]
pub(crate) mod mail;
#[expect(dead_code, reason = "shared with the tests of notifications, which need all of it")]
pub(crate) mod smtp;
pub(crate) mod stripe;
