//! The order in which a service starts and stops: bind → pool → build → routes → serve → watch the schema → work → drain.
//! Before that come the configuration (`ServiceConfig::read`) and telemetry, which belongs to the process, not to one service.

pub mod check;
mod compare;
mod config;
pub mod drain;
mod probe;
mod routes;
mod start;
mod watch;

#[cfg(feature = "testing")]
pub(crate) use self::config::{asked, register};
pub use self::{
    config::{ServiceConfig, database_url, drain_delay},
    start::{Running, StartError, reachable, start, start_on},
};
