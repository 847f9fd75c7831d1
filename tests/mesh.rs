//! The proof: the whole mesh, what people do with it, and what it survives.

mod fakes;
mod faults;
mod harness;
mod journeys;
mod stripe;
