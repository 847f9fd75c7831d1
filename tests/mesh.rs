//! Tests of the whole mesh: what people do with it, and which failures and attacks it survives.
// Stripe's objects are wide, and `json!` recurses once per token of them.
#![recursion_limit = "512"]

mod attacks;
mod canaries;
mod databases;
mod deploy;
mod doctor;
mod fakes;
mod faults;
mod harness;
mod journeys;
mod observability;
mod plans;
#[path = "cli/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which need all of it")]
mod process;
mod properties;
mod released;
mod roles;
#[path = "../src/services.rs"]
#[expect(dead_code, reason = "shared with the binary, which needs all of it")]
mod services;
mod settings;
mod stripe;
