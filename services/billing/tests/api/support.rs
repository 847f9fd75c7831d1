//! Shared by the tests: Stripe's events and their signatures, the service under test, and its callers.

mod bench;
mod idle;
mod stripe;

pub(crate) use levqor_runtime::testing::{reason, refused, violated};

pub(crate) use bench::{Bench, SECRET};
pub(crate) use idle::Idle;
pub(crate) use stripe::{event, refetches, session, sign, with};
