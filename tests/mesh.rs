//! The proof: the whole mesh, what people do with it, and what it survives.
// Stripe's objects are wide, and `json!` recurses once per token of them.
#![recursion_limit = "512"]

mod fakes;
mod faults;
mod harness;
mod journeys;
mod observability;
mod properties;
mod roles;
mod stripe;
