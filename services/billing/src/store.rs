//! All SQL of billing, one file per table. The function that begins a transaction commits it; nothing here does either.

pub(crate) mod checkout_tries;
pub(crate) mod customer_deletions;
pub(crate) mod customer_redactions;
pub(crate) mod customers;
pub(crate) mod disputes;
pub(crate) mod leases;
pub(crate) mod operations;
pub(crate) mod order_agreements;
pub(crate) mod order_events;
pub(crate) mod order_files;
pub(crate) mod order_flows;
pub(crate) mod order_intakes;
pub(crate) mod order_links;
pub(crate) mod orders;
pub(crate) mod refunds;
pub(crate) mod stripe_events;
pub(crate) mod subscription_links;
pub(crate) mod subscriptions;
pub(crate) mod withdrawals;
