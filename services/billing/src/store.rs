//! All SQL of billing, one file per table. The function that begins a transaction commits it; nothing here does either.

pub(crate) mod leases;
pub(crate) mod orders;
pub(crate) mod stripe_events;
