//! Data that is older than its retention period is erased, unless its person is under a hold.

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

#[tokio::test]
async fn a_hold_that_a_backup_brought_back_ends_and_one_that_stands_stays() {
    let bench = Bench::start().await;
    bench.outlive_slot("enforce_retention", "EnforceRetention").await;
    let staff = Caller::staff();
    let ended = place(&bench, &staff, "case-7", "ada@example.com").await.expect("placed");
    place(&bench, &staff, "case-8", "bob@example.com").await.expect("placed");
    release(&bench, &staff, &ended.legal_hold_id).await.expect("released");
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state IN ('STANDING', 'RELEASED')").await == 2).then_some(())
    })
    .await;
    // As a backup has it that is older than the release.
    let restore = "UPDATE runtime.holds SET stands = true, change_time = change_time - interval '1 hour'
                   WHERE NOT stands";
    bench.execute(restore).await;
    assert_eq!(bench.count("runtime.holds WHERE stands").await, 2);
    enforce(&bench).await;
    assert_eq!(bench.count("runtime.holds WHERE stands AND email = 'bob@example.com'").await, 1);
    assert_eq!(bench.count("runtime.holds WHERE stands").await, 1, "the one that was released has ended");
}
