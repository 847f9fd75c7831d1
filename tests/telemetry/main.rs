//! The telemetry that leaves a process: one trace per journey, one report per failure, and no personal data. A receiver that is
//! down slows no request. The roles run as separate processes, and export to a receiver that records everything.

mod canary;
#[path = "../databases.rs"]
mod databases;
mod errors;
mod exporters;
mod journey;
#[expect(dead_code, reason = "shared with the tests of notifications, which need all of it")]
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
#[path = "../../src/services.rs"]
#[expect(dead_code, reason = "shared with the binary, which needs all of it")]
mod services;
#[path = "../stripe.rs"]
#[expect(dead_code, reason = "shared with the tests of the mesh, which need all of it")]
mod stripe;
