//! Writes Stripe's state of an object into our rows. The journal does this after an event, and an RPC after it changed the object
//! at Stripe. What follows from a change (mails, audit entries) is in the same transaction.

pub(crate) mod payments;
pub(crate) mod subscriptions;
