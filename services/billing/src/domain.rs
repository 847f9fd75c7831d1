//! The rules of billing, pure: they take values and give values, and know neither the database nor the time.

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
