#![doc = include_str!("../README.md")]

pub mod access;
pub mod actor;
pub mod address;
pub mod audit;
pub mod capability;
pub mod chassis;
pub mod check;
pub mod client;
pub mod clock;
pub mod code_limit;
pub mod config;
pub mod context;
pub mod currency;
pub mod db;
pub mod deferred;
pub mod digest;
pub mod email;
mod erased;
pub mod error;
pub mod exposition;
pub mod fail_point;
pub mod file;
pub mod grpc_code;
pub mod guard;
mod health;
mod hosted;
pub mod http;
pub mod id;
pub mod idempotency;
pub mod inbound;
pub mod lifecycle;
mod measure;
pub mod metrics;
pub mod objections;
pub mod port;
pub mod postgres;
pub mod privacy;
pub mod pseudonyms;
pub mod rate;
pub mod recipient;
pub mod recorded;
pub mod redact;
pub mod refusals;
pub mod request;
pub mod rpc;
pub mod run;
pub mod schedule;
pub mod screening;
mod self_test;
pub mod server;
pub mod service;
pub mod shared_commit;
pub mod site;
pub mod storable;
pub mod storage;
pub mod summed;
pub mod tasks;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time_limits;
pub mod tls;
pub mod token;
pub mod tunnel;
pub mod version;
pub mod wakes;
pub mod webhook;
pub mod wire_enum;
pub mod work;

pub use clock::timestamp;

/// Types that the macros of this crate name.
pub mod reexport {
    pub use chrono::{DateTime, Utc};
    pub use tonic;
    pub use uuid::Uuid;
}

/// Installs ring as the process' only crypto provider. A second call changes nothing.
pub fn install_crypto() {
    // Fails only if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
