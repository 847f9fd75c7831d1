//! What a process can do, and what is off, and why.

use chrono::{DateTime, Utc};

/// Something that a service can do when it is configured.
#[derive(Debug, Clone)]
pub struct Capability {
    /// Its name, `stripe_refetch`.
    pub name: &'static str,
    /// Whether it is on.
    pub state: CapabilityState,
    /// How it is on, or why it is off; names settings, never values.
    pub reason: String,
    /// When that was measured; none where it follows from the settings alone.
    pub measured: Option<DateTime<Utc>>,
}

/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityState {
    /// Configured.
    On,
    /// Not configured, or not built.
    Off,
    /// Configured, and did not work when it was last measured.
    Failed,
}

impl CapabilityState {
    /// As status surfaces write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Failed => "FAILED",
        }
    }
}

impl Capability {
    /// On.
    #[must_use]
    pub fn on(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::On, reason: reason.into(), measured: None }
    }

    /// Off.
    #[must_use]
    pub fn off(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Off, reason: reason.into(), measured: None }
    }

    /// On, and does not work.
    #[must_use]
    pub fn failed(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Failed, reason: reason.into(), measured: None }
    }

    /// Whether it is on, and works as far as is known.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state == CapabilityState::On
    }

    /// The same, as it was measured then.
    #[must_use]
    pub fn measured_at(mut self, time: DateTime<Utc>) -> Self {
        self.measured = Some(time);
        self
    }
}
