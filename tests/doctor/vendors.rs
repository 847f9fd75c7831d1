//! Faults at the vendors, while the settings stay the same.

use levqor_runtime::testing::recorder::Behaviour;
use serde_json::json;

use super::checked_mesh::CheckedMesh;

#[test]
fn a_price_that_is_no_longer_sold_and_a_clock_that_is_off_are_named() {
    let checked = CheckedMesh::start();
    checked.stripe.post("/v1/prices/price_pro", json!({"active": false}));
    let report = checked.doctor(&[]);
    report.assert_only(&["billing.stripe_price_pro"], "STRIPE_PRICE_PRO: it is not active");

    checked.stripe.post("/v1/prices/price_pro", json!({"active": true}));
    checked.stripe.world().date_off = -60;
    let report = checked.doctor(&[]);
    report.assert_only(&["billing.stripe_clock"], " ms behind ours, more than 10 s");
}

#[test]
fn a_restricted_key_that_may_not_read_the_account_is_a_warning() {
    let checked = CheckedMesh::start();
    checked.stripe.world().account_hidden = true;
    let report = checked.doctor(&[]);
    report.assert_none();
    assert_eq!(report.with("WARNING"), ["billing.stripe_account"]);
    let words = report.evidence("WARNING", "billing.stripe_account");
    assert!(words.contains("this key may not read the account"), "{words}");
}

#[test]
fn telemetry_that_a_service_loses_is_a_failure_of_that_service_too() {
    let checked = CheckedMesh::start();
    let shown = |service: &str, state: &str| {
        let of = ["capability=\"otlp\"", &format!("\"levqor-{service}\""), &format!("state=\"{state}\"")]
            .map(ToOwned::to_owned);
        let page = checked.metrics();
        let mut lines = page.lines().filter(|line| line.starts_with("levqor_capability{"));
        let line = lines.find(|line| of.iter().all(|part| line.contains(part))).expect("it is shown");
        line.split(' ').next_back().expect("a value").to_owned()
    };
    assert_eq!((shown("gateway", "on"), shown("billing", "failed")), ("1".to_owned(), "0".to_owned()));
    checked.recorder.set_behaviour(Behaviour::Refusing);
    // Each request makes spans in the mesh, which are lost.
    checked.until("the mesh says that it loses them", || {
        let report = checked.doctor(&[]);
        let failed = report.with("FAILED");
        // The exports of the three signals fail one after the other.
        ["telemetry.otlp_traces", "gateway.can.otlp", "billing.can.otlp"]
            .iter()
            .all(|name| failed.contains(name))
            && report.evidence("FAILED", "billing.can.otlp").contains("traces failing: Unavailable; ")
    });
    assert_eq!((shown("gateway", "on"), shown("billing", "failed")), ("0".to_owned(), "1".to_owned()));
}

#[test]
fn a_mail_provider_that_is_down_is_named() {
    let checked = CheckedMesh::start();
    checked.mail.refuse_connections();
    let report = checked.doctor(&[]);
    report.assert_only(&["notifications.mail_resend"], "no connection could be made");
    checked.mail.take_connections();
    checked.doctor(&[]).assert_none();
}
