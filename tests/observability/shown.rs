//! A working mesh exports every metric, label and value that dashboards and alerts ask for, and every metric that is defined.

use std::collections::BTreeSet;

use levqor_runtime::metrics::{Definition, Format};
use promql_parser::parser::VectorSelector;

use super::{
    catalogue::definitions,
    files::{dashboards, queries, rules, str},
    page::{Page, Sample},
    queries::{alternatives, parse, selectors},
};
use crate::{
    fakes::mail::{API_KEY, Behaviour::Fail, FakeMail, webhooks::Webhook},
    harness::Mesh,
    stripe::{paid_checkout, sign},
};

/// The metrics of telemetry exports. They are absent here, because this mesh exports nothing; `tests/telemetry/exporters.rs` tests
/// them.
const EXPORTS: &str = "levqor_telemetry_";

/// A mesh that has accepted an event of a payment twice, refused a forged webhook, shown orders, answered a question, and sent
/// mails through a provider that failed once and then reported on a mail.
async fn worked() -> (Mesh, Page) {
    let provider = FakeMail::start();
    // No language model listens at its address, so the question is answered by an article.
    let model = [("OPENAI_API_KEY", "a key"), ("OPENAI_BASE_URL", "http://127.0.0.1:9")];
    let url = provider.url();
    let settings = [&[("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url)][..], &model].concat();
    // Handshakes are counted only where there are certificates.
    let mesh = Mesh::start_with_certificates(&settings).await;
    provider.next([Fail(500)]);
    let event = paid_checkout("1", "ada");
    assert_eq!(mesh.deliver(&event).await.status, 200);
    let other_path = "/api/webhooks/stripe/checkout-completed";
    let again = mesh.post_webhook(other_path, &sign(&event.to_string()), event.to_string()).await;
    assert_eq!(again.status, 200);
    assert_eq!(mesh.post_webhook("/webhooks/stripe", "", "{}").await.status, 400);
    assert_eq!(mesh.tell(&Webhook::of(r#"{"type":"email.sent"}"#)).await.status, 200);
    let question = serde_json::json!({"text": "How do I cancel my subscription?"});
    assert_eq!(mesh.anon().post("/v1/conversations", question).await.status, 200);
    mesh.staff().get("/v1/orders").await;
    mesh.staff().get("/v1/status").await;
    mesh.anon().get("/health/ready").await;
    mesh.anon().get("/nowhere").await;
    mesh.settle().await;
    // As if Sentry had accepted this week's test report.
    let test =
        "INSERT INTO runtime.self_tests (name, last_success_time) VALUES ('error_reports', runtime.now())";
    sqlx::query(test).execute(mesh.billing_db().pool()).await.expect("inserted");
    let page = Page::read(&mesh.scrape(Format::OpenMetrics).await);
    (mesh, page)
}

/// Whether a mesh exports this value of a label only after a failure, or only with Sentry.
fn is_absent_here(label: &str, value: &str) -> bool {
    match label {
        // Only where Sentry is on.
        "schedule" => value == "test_error_reports",
        "rpc_method" => value.contains("TestErrorReports") || value == "_OTHER",
        // Only after a server error.
        "error_type" => true,
        _ => false,
    }
}

/// Fails if no exported series matches the selector, or if no series has one of the label values that the selector names.
fn find(selector: &VectorSelector, name: &str, page: &Page, query: &str) {
    let samples: Vec<_> = page.0.iter().filter(|sample| sample.name == name).collect();
    assert!(!samples.is_empty(), "{name} is not exported, but {query} asks for it");
    let value = |sample: &Sample, label: &str| sample.labels.get(label).cloned().unwrap_or_default();
    let matchers = &selector.matchers.matchers;
    for wanted in matchers.iter().flat_map(alternatives) {
        let there = samples.iter().any(|sample| wanted.is_match(&value(sample, &wanted.name)));
        let there = there || is_absent_here(&wanted.name, &wanted.value);
        assert!(there, "{}={} of {name} is not exported: {query}", wanted.name, wanted.value);
    }
    let fits = |sample: &&Sample| matchers.iter().all(|of| of.is_match(&value(sample, &of.name)));
    let absent = matchers.iter().any(|of| is_absent_here(&of.name, &of.value) && !of.is_match(""));
    assert!(absent || samples.iter().any(fits), "{name} has no such series: {query}");
}

#[tokio::test]
async fn queries_of_dashboards_and_rules_have_values() {
    let (mesh, page) = Box::pin(worked()).await;
    let of_rules = rules().into_iter().map(|rule| str(&rule, "/expr").to_owned());
    let asked: Vec<_> = dashboards().iter().flat_map(queries).chain(of_rules).collect();
    let mut seen = 0;
    for query in &asked {
        let parsed = parse(query);
        for selector in selectors(&parsed) {
            let name = selector.name.as_deref().expect("a name");
            // Recorded series are made from other series; `up` and `ALERTS` are Prometheus' own.
            let of_others = name.contains(':') || ["up", "ALERTS"].contains(&name);
            if !of_others && !name.starts_with(EXPORTS) {
                seen += 1;
                find(selector, name, &page, query);
            }
        }
    }
    assert!(seen > 150, "only {seen} series were asked for");
    mesh.finish().await;
}

#[tokio::test]
async fn all_defined_metrics_are_exported_and_no_others() {
    let (mesh, page) = Box::pin(worked()).await;
    let shown: BTreeSet<_> = page.0.iter().map(|sample| sample.name.as_str()).collect();
    let defined: Vec<_> = definitions().into_iter().flat_map(Definition::series).collect();
    for series in defined.iter().filter(|series| !series.starts_with(EXPORTS)) {
        assert!(shown.contains(series.as_str()), "{series} is defined, but not exported");
    }
    for series in shown {
        assert!(
            series == "target_info" || defined.iter().any(|of| of == series),
            "{series} is exported, but not defined"
        );
    }
    // Nothing is traced here, so an exemplar would name a trace that does not exist. `tests/telemetry/metrics.rs` tests exemplars
    // with traces.
    let exemplars: BTreeSet<_> =
        page.0.iter().filter(|sample| sample.trace_id.is_some()).map(|sample| &sample.name).collect();
    assert_eq!(exemplars, BTreeSet::new());
    mesh.finish().await;
}
