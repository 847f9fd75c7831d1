//! The only SQL of billing, one file per table. Who begins a transaction commits it; nothing here does either.

pub(crate) mod leases;
pub(crate) mod orders;
pub(crate) mod stripe_events;
