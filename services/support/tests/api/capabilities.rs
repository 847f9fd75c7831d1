//! The capabilities that the service reports: a capability that is not built is off.

use levqor_runtime::service::Service;

use crate::bench::Bench;

#[tokio::test]
async fn a_capability_that_is_not_built_is_off() {
    let bench = Bench::start().await;
    let told = bench.service.running.service.capabilities();
    let names =
        |on: bool| told.iter().filter(|told| told.is_on() == on).map(|told| told.name).collect::<Vec<_>>();
    assert_eq!(names(true), ["chat", "tickets", "leads", "complaints", "public_status", "status_mails"]);
    assert_eq!(names(false), ["prices_in_articles", "ai", "mail_replies"]);
}
