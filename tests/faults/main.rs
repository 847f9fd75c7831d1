//! What the mesh loses when something breaks under it: nothing.

#[path = "../harness.rs"]
#[expect(dead_code, reason = "the journeys use the rest of it")]
mod harness;
#[path = "../stripe.rs"]
mod stripe;

mod postgres_down;
