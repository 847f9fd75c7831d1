//! The chassis, proven by a service that only tests have.

mod audit;
mod balance;
mod cancellation;
mod deferred;
mod drain;
mod failure;
mod idempotency;
mod jwks;
mod migration;
mod packets;
mod probe;
mod schedule;
mod shared_commit;
mod sink;
mod status;
mod tokens;
mod tunnel;
mod unreachable;
