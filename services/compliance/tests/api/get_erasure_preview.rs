//! The preview of an erasure says what would happen, and changes nothing.

use levqor_proto_compliance::v1::{GetErasurePreviewRequest, GetErasurePreviewResponse, Right};
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::bench::{Bench, ada, bob};

pub(crate) async fn preview(
    bench: &Bench,
    caller: &Caller,
    id: &str,
) -> Result<GetErasurePreviewResponse, Status> {
    let request = GetErasurePreviewRequest { data_request_id: id.to_owned() };
    Ok(bench.client().get_erasure_preview(caller.request(request)).await?.into_inner())
}

#[tokio::test]
async fn the_rows_of_each_table_are_counted() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let shown = preview(&bench, &ada(), &id).await.expect("a preview");
    let own = shown.plans.iter().find(|plan| plan.table == "data_requests").expect("the request itself");
    assert_eq!((own.service.as_str(), own.action.as_str(), own.rows), ("compliance", "PSEUDONYMISE", 1));
    let waiting = shown.plans.iter().find(|plan| plan.table == "runtime.work").expect("the mail that waits");
    assert_eq!((waiting.action.as_str(), waiting.rows), ("DELETE", 1));
    assert!(shown.obstacles.is_empty());
    assert_eq!(preview(&bench, &ada(), &id).await.expect("again").preview_hash, shown.preview_hash);
    assert_eq!(reason(&preview(&bench, &bob(), &id).await.expect_err("not his")), "DATA_REQUEST_NOT_FOUND");
}

#[tokio::test]
async fn a_copy_has_no_preview() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    assert_eq!(reason(&preview(&bench, &ada(), &id).await.expect_err("a copy")), "DATA_REQUEST_STATE");
}
