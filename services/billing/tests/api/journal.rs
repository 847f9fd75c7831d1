//! The journal: what follows from events, with and without Stripe to ask, and who may work on what.

mod ignored;
mod intake;
mod lapses;
mod leases;
mod money;
mod not_ours;
mod own_objects;
mod possible;
mod refetch;
