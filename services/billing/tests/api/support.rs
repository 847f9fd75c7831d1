//! Shared by the tests: Stripe's events and their signatures, the service under test, and its callers.

mod bench;
mod files;
mod idle;
mod links;
mod orders;
mod shop;
mod stripe;
mod withdrawals;

pub(crate) use levqor_runtime::testing::{reason, refused, violated};

pub(crate) use bench::{Bench, SECRET};
pub(crate) use files::{PDF, body};
pub(crate) use idle::Idle;
pub(crate) use orders::{CONFIRMED, NO_ORDER, ada, answers, audited};
pub(crate) use shop::{Shop, TERMS, subscription};
pub(crate) use stripe::{event, refetches, session, sign, with, without_cost};
pub(crate) use withdrawals::{busy, invoices, session_now, subscription_now};
