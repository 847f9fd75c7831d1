//! Data that is older than its retention period is erased, unless its person is under a hold.

use levqor_proto_compliance::v1::{EnforceRetentionRequest, EnforceRetentionResponse, Right};
use levqor_runtime::testing::{Caller, eventually, reason, refused};

use crate::{
    bench::{Bench, FakePeer, ada, bob},
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
async fn old_rows_stay_during_a_legal_hold_and_are_erased_after_its_release() {
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
async fn a_hold_that_a_backup_restored_ends_and_one_in_force_stays() {
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

#[tokio::test]
async fn nothing_more_is_erased_while_a_service_does_not_know_a_hold_that_was_placed_meanwhile() {
    let support = FakePeer::start().await;
    let bench = Bench::start_with_peers(&support, false).await;
    bench.outlive_slot("enforce_retention", "EnforceRetention").await;
    support.refuse_holds();
    let before = support.count("retention");
    let placing = async {
        eventually("support erases", || async { (support.count("retention") > before).then_some(()) }).await;
        place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
        // It answers that there is more to erase.
        support.let_continue(1);
    };
    let caller = Caller::service("compliance", "compliance");
    let mut client = bench.client();
    let enforcing = client.enforce_retention(caller.request(EnforceRetentionRequest {}));
    let (enforced, ()) = tokio::join!(enforcing, placing);
    assert_eq!(reason(&refused(enforced)), "SERVICE_UNANSWERED");
    assert_eq!(support.count("retention"), before + 1, "it is not called again");
}
