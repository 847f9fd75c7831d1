//! The chassis, proven by a service that only tests have.

mod audit;
mod cancellation;
mod deferred;
mod drain;
mod failure;
mod idempotency;
mod migration;
mod probe;
mod schedule;
