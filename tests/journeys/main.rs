//! What people do with the whole mesh, from one end to the other.

#[path = "../harness.rs"]
mod harness;
#[path = "../stripe.rs"]
mod stripe;

mod access;
mod deferred_calls;
mod ownership;
mod paid_order;
mod stripe_events;
mod webhooks;
