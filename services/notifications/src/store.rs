//! The SQL of this service, one file per table. No other module contains SQL.

pub(crate) mod delivery_attempts;
pub(crate) mod delivery_reports;
pub(crate) mod mailbox;
pub(crate) mod messages;
pub(crate) mod provider_events;
