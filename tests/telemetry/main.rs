//! What leaves the process: one trace per journey, every failure once, nothing personal, and no request the slower for
//! a receiver that is down. Roles run as processes of their own, against a receiver that keeps all it is told.

mod canary;
mod errors;
mod exporters;
mod journey;
#[path = "../fakes/mail.rs"]
mod mail;
mod metrics;
#[path = "../observability/page.rs"]
#[expect(dead_code, reason = "shared with the tests of the mesh, which need all of it")]
mod page;
#[path = "../cli/process.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which need all of it")]
mod process;
mod roles;
#[path = "../stripe.rs"]
#[expect(dead_code, reason = "shared with the tests of the mesh, which need all of it")]
mod stripe;
