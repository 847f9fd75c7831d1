//! The journal: the effects of events, with and without a key of Stripe's API, and the leases of the workers.

mod ignored;
mod intake;
mod lapses;
mod leases;
mod money;
mod not_ours;
mod own_objects;
mod possible;
mod refetch;
