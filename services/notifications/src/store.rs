//! The SQL of this service, one file per table. No other module contains SQL.

pub(crate) mod delivery_attempts;
pub(crate) mod delivery_reports;
pub(crate) mod inbound_mails;
pub(crate) mod mailbox;
pub(crate) mod messages;
pub(crate) mod newsletter_subscriptions;
pub(crate) mod operator_deliveries;
pub(crate) mod operator_notices;
pub(crate) mod permission_changes;
pub(crate) mod permissions;
pub(crate) mod provider_events;
pub(crate) mod provider_paces;
pub(crate) mod suppressions;
