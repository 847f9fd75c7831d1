//! The service as its callers see it: real gRPC, a real PostgreSQL, and a mock of Stripe. One file per RPC, and one folder for
//! the journal.

mod capabilities;
mod get_order;
mod get_stripe_event;
mod ingest_stripe_event;
mod journal;
mod list_orders;
mod list_stripe_events;
mod purge_stripe_event_bodies;
mod release_order;
mod replay_stripe_event;
mod stripe_health;
mod support;
