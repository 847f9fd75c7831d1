//! Tests the chassis with a service that exists only in tests.

mod audit;
mod balance;
mod blackout;
mod cancellation;
mod certificate_expiry;
mod deferred;
mod drain;
mod failure;
mod idempotency;
mod jwks;
mod migration;
mod mistakes;
mod mutual_tls;
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
