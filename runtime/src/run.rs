//! The boot order of a service, once: bind → pool → build → routes → serve → watch the schema → work → drain.
//!
//! Configuration is read before (`ServiceConfig::read`), in full, before anything opens. Telemetry also starts before: it belongs
//! to the process, and a process may run several services.

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
