//! What is older than its retention period is erased, unless its person is held.

use levqor_proto_compliance::v1::{EnforceRetentionRequest, EnforceRetentionResponse, Right};
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    bench::{Bench, ada, bob},
    place_legal_hold::place,
    release_legal_hold::release,
};

/// Makes the requests of Ada older than their retention period.
pub(crate) async fn age(bench: &Bench) {
    bench
        .execute("UPDATE data_requests SET create_time = create_time - interval '366 days', state = 'CANCELLED', finish_time = runtime.now()
             WHERE owner_sub = 'ada'")
        .await;
}

/// Enforces the retention periods.
pub(crate) async fn enforce(bench: &Bench) -> EnforceRetentionResponse {
    let caller = Caller::service("compliance", "compliance");
    let report = bench.client().enforce_retention(caller.request(EnforceRetentionRequest {})).await;
    report.expect("enforced").into_inner()
}

#[tokio::test]
async fn an_old_request_loses_its_person_and_a_new_one_does_not() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    bench.create(&bob(), Right::Erasure).await.expect("created");
    age(&bench).await;
    let report = enforce(&bench).await;
    // The schedule of the day may have been sooner; then the report of this call is empty.
    let rows: Vec<_> = report.erased.iter().map(|erased| (erased.table.as_str(), erased.rows)).collect();
    assert!(rows.is_empty() || rows == [("data_requests", 1)], "{rows:?}");
    assert_eq!(
        bench.count("data_requests WHERE email = 'erased@erased.invalid' AND owner_sub IS NULL").await,
        1
    );
    assert_eq!(bench.count("data_requests WHERE owner_sub = 'bob'").await, 1);
}

#[tokio::test]
async fn what_is_old_stays_while_a_legal_hold_stands_and_goes_after_its_release() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    // Her account has claimed the row, and the hold names her address.
    age(&bench).await;
    enforce(&bench).await;
    assert_eq!(bench.count("data_requests WHERE email = 'ada@example.com'").await, 1, "it stays");
    release(&bench, &Caller::staff(), &hold.legal_hold_id).await.expect("released");
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state = 'RELEASED'").await == 1).then_some(())
    })
    .await;
    enforce(&bench).await;
    assert_eq!(bench.count("data_requests WHERE email = 'ada@example.com'").await, 0, "it goes");
}
