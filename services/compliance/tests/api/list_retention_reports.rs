//! Staff read the reports of the daily runs of the retention periods: the number of erased rows by table and period.

use levqor_proto_compliance::v1::{
    EnforceRetentionRequest, ListRetentionReportsRequest, ListRetentionReportsResponse, RetentionReport,
    Right, record_service_client::RecordServiceClient, retention_report::State,
};
use levqor_proto_runtime::v1::{ApplyRetentionRequest, privacy_service_client::PrivacyServiceClient};
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{
    bench::{Bench, ada},
    enforce_retention::{age, enforce},
};

/// A page with one report.
async fn list(
    bench: &Bench,
    caller: &Caller,
    state: State,
    page_token: &str,
) -> Result<ListRetentionReportsResponse, Status> {
    let page_token = page_token.to_owned();
    let request = ListRetentionReportsRequest { state: state.into(), page_size: 1, page_token };
    let mut client = RecordServiceClient::new(bench.channel());
    Ok(client.list_retention_reports(caller.request(request)).await?.into_inner())
}

/// How many rows of a table lost this column, by a report.
fn rows_of(report: &RetentionReport, table: &str, column: &str) -> Option<i64> {
    let of = report.outcomes.iter().find(|it| it.table == table && it.columns.iter().any(|it| it == column));
    of.map(|outcome| outcome.rows)
}

#[tokio::test]
async fn a_run_leaves_a_report_with_the_rows_of_each_period_and_the_oldest_row() {
    let bench = Bench::start().await;
    bench.outlive_slot("enforce_retention", "EnforceRetention").await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    age(&bench).await;
    enforce(&bench).await;
    let page = list(&bench, &Caller::staff(), State::Complete, "").await.expect("a list");
    let report = page.retention_reports.first().expect("a report");
    assert_eq!((report.service.as_str(), report.state()), ("compliance", State::Complete));
    assert_eq!(rows_of(report, "data_requests", "email"), Some(1), "{report:?}");
    let untouched = report.outcomes.iter().find(|it| it.table == "privacy_complaints").expect("a period");
    assert_eq!((untouched.rows, untouched.days > 0), (0, true), "a period that erased nothing is there, too");
    assert!(!format!("{report:?}").contains("example.com"), "{report:?}");
    let oldest = report.outcomes.iter().find(|it| it.table == "data_requests").and_then(|it| it.oldest_time);
    let age = report.create_time.expect("a time").seconds - oldest.expect("an index tells it").seconds;
    assert!(age >= 366 * 86_400, "{age} s");

    // The run of the schedule is on the next page.
    let next = list(&bench, &Caller::staff(), State::Complete, &page.next_page_token).await.expect("a list");
    let earlier = next.retention_reports.first().expect("a report");
    assert_eq!(rows_of(earlier, "data_requests", "email"), Some(0));
    assert!(list(&bench, &ada(), State::Unspecified, "").await.is_err(), "only staff");
}

#[tokio::test]
async fn a_run_without_an_answer_reports_it_and_later_counts_the_rows_of_the_lost_answer() {
    let bench = Bench::start().await;
    bench.outlive_slot("enforce_retention", "EnforceRetention").await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    age(&bench).await;
    bench
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE TRIGGER refuse BEFORE UPDATE ON data_requests FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    let caller = Caller::service("compliance", "compliance");
    for _ in 0..2 {
        let run = bench.client().enforce_retention(caller.request(EnforceRetentionRequest {})).await;
        run.expect_err("the service gives no answer");
    }
    let page = list(&bench, &Caller::staff(), State::Unanswered, "").await.expect("a list");
    let [open] = page.retention_reports.as_slice() else { panic!("one report") };
    assert_eq!((open.service.as_str(), page.next_page_token.as_str()), ("compliance", ""), "one run");
    bench.execute("DROP TRIGGER refuse ON data_requests").await;
    // The service erases, and its answer is lost.
    let (service, run_id) = ("compliance".to_owned(), open.retention_report_id.clone());
    let request = caller.request(ApplyRetentionRequest { service, run_id });
    PrivacyServiceClient::new(bench.channel()).apply_retention(request).await.expect("applied");
    assert_eq!(bench.count("data_requests WHERE email = 'erased@erased.invalid'").await, 1);
    enforce(&bench).await;
    let page = list(&bench, &Caller::staff(), State::Complete, "").await.expect("a list");
    let report = page.retention_reports.first().expect("a report");
    assert_eq!(report.retention_report_id, open.retention_report_id, "the run went on");
    assert_eq!(rows_of(report, "data_requests", "email"), Some(1), "{report:?}");
    assert_eq!(bench.count("retention_reports WHERE state = 'UNANSWERED'").await, 0);
    enforce(&bench).await;
    let page = list(&bench, &Caller::staff(), State::Complete, "").await.expect("a list");
    assert_eq!(rows_of(&page.retention_reports[0], "data_requests", "email"), Some(0), "a run of its own");
}
