//! The capabilities of a process: which are on, which are off, and why.

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1::capability;

use crate::wire_enum;

/// A feature of a service that depends on its configuration.
#[derive(Debug, Clone)]
pub struct Capability {
    /// Its name, `error_reports`.
    pub name: &'static str,
    /// Whether it is on, off or failed.
    pub state: CapabilityState,
    /// How it works, or why it is off. It names settings, never values.
    pub reason: String,
    /// When it was measured. `None` if the settings alone decide it.
    pub measured: Option<DateTime<Utc>>,
}

wire_enum! {
    /// The state of a capability. The names are those of metrics and logs.
    pub enum CapabilityState: capability::State {
        /// Configured.
        On = "ON",
        /// Not configured, or not built.
        Off = "OFF",
        /// Configured, and failed when it was last measured.
        Failed = "FAILED",
    }
}

impl Capability {
    /// Creates a capability that is on.
    #[must_use]
    pub fn on(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::On, reason: reason.into(), measured: None }
    }

    /// Creates a capability that is off.
    #[must_use]
    pub fn off(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Off, reason: reason.into(), measured: None }
    }

    /// Creates a capability that is configured and fails.
    #[must_use]
    pub fn failed(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Failed, reason: reason.into(), measured: None }
    }

    /// Whether it is on, and has not failed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state == CapabilityState::On
    }

    /// Adds the time of its measurement.
    #[must_use]
    pub fn measured_at(mut self, time: DateTime<Utc>) -> Self {
        self.measured = Some(time);
        self
    }
}
