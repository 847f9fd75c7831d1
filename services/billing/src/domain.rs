//! The rules of billing as pure functions: no database and no clock.

pub(crate) mod asking_price;
pub(crate) mod catalogue;
pub(crate) mod checkout_session;
mod json;
pub(crate) mod money;
pub(crate) mod not_understood;
pub(crate) mod order;
pub(crate) mod sale;
pub(crate) mod stripe_event;
pub(crate) mod stripe_id;
