//! The chassis, proven by a service that only tests have.

mod audit;
mod balance;
mod blackout;
mod cancellation;
mod deferred;
mod drain;
mod failure;
mod idempotency;
mod jwks;
mod migration;
mod mistakes;
mod planner;
mod port;
mod probe;
mod schedule;
mod shared_commit;
mod sink;
mod status;
mod streams;
mod tokens;
mod tunnel;
mod unreachable;
