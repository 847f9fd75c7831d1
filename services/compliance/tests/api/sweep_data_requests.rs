//! The sweep ends what waits for a code for too long, and removes copies that are too old.

use levqor_proto_compliance::v1::{
    DownloadDataExportRequest, Right, SweepDataRequestsRequest, SweepDataRequestsResponse,
    data_request::State,
};
use levqor_runtime::testing::{Caller, reason};

use crate::bench::{Bench, ada};

/// Sweeps, as the schedule does each minute.
pub(crate) async fn sweep(bench: &Bench) -> SweepDataRequestsResponse {
    let caller = Caller::service("compliance", "compliance");
    let swept = bench.client().sweep_data_requests(caller.request(SweepDataRequestsRequest {})).await;
    swept.expect("swept").into_inner()
}

/// Moves the times of all requests, as if this share of the time to answer was over now.
pub(crate) async fn let_pass(bench: &Bench, share: &str) {
    let sql = format!(
        "UPDATE data_requests SET create_time = runtime.now() - (due_time - create_time) * {share},
                                  due_time = runtime.now() + (due_time - create_time) * (1 - {share})"
    );
    bench.execute(&sql).await;
}

#[tokio::test]
async fn old_requests_are_ended_and_removed() {
    let bench = Bench::start().await;
    let waiting = bench.create_mailed("bob@example.com", Right::Access).await;
    let copy = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&copy, State::Done).await;
    assert_eq!(sweep(&bench).await, SweepDataRequestsResponse::default(), "nothing is too old");
    bench.service.execute("UPDATE data_requests SET create_time = create_time - interval '2 days'").await;
    bench.service.execute("UPDATE data_exports SET delete_time = delete_time - interval '31 days'").await;
    sweep(&bench).await;
    bench.until(&waiting, State::Expired).await;
    assert_eq!(bench.count("data_exports WHERE state = 'DELETED'").await, 1);
    let request = DownloadDataExportRequest { data_request_id: copy };
    let refused = bench.client().download_data_export(ada().request(request)).await.expect_err("removed");
    assert_eq!(reason(&refused), "EXPORT_NOT_READY");
}

#[tokio::test]
async fn operators_get_one_notice_of_each_share_of_the_time() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    let told = async || {
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT split_part(split_part(idempotency_key, ':due:', 2), ':', 1) FROM runtime.work
             WHERE idempotency_key LIKE 'data-request:%:due:%' ORDER BY create_time",
        )
        .fetch_all(bench.db.pool())
        .await
        .expect("keys");
        keys
    };
    sweep(&bench).await;
    assert_eq!(told().await, Vec::<String>::new());
    for (share, expected) in [
        ("0.51", vec!["50"]),
        ("0.6", vec!["50"]),
        ("0.81", vec!["50", "80"]),
        ("0.96", vec!["50", "80", "95"]),
    ] {
        let_pass(&bench, share).await;
        for _ in 0..2 {
            sweep(&bench).await;
            assert_eq!(told().await, expected, "{share}");
        }
    }
}
