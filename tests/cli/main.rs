//! The binary as a newcomer and an operator use it: its commands, its messages, its exit codes.

mod browsers;
mod commands;
mod demo;
mod mistakes;
mod private_server;
mod process;
mod refusals;
mod reset;
mod rights;
mod serve;
mod signals;
#[path = "../stripe.rs"]
#[expect(dead_code, reason = "the mesh's own tests use the rest")]
mod stripe;
mod up;
mod visitor;
