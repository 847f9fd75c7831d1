//! A data request is cancelled before its work begins.

use levqor_proto_compliance::v1::{CancelDataRequestRequest, Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};

use crate::bench::{Bench, ada, bob};

#[tokio::test]
async fn an_erasure_is_cancelled_once_by_its_owner() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let cancel = async |caller: Caller| {
        let request = CancelDataRequestRequest { data_request_id: id.clone() };
        bench.client().cancel_data_request(caller.request(request)).await
    };
    assert_eq!(reason(&cancel(bob()).await.expect_err("somebody else")), "DATA_REQUEST_NOT_FOUND");
    let cancelled = cancel(ada()).await.expect("cancelled").into_inner().data_request.expect("a request");
    assert_eq!(cancelled.state(), State::Cancelled);
    assert!(cancelled.finish_time.is_some());
    assert_eq!(reason(&cancel(ada()).await.expect_err("over")), "DATA_REQUEST_STATE");
}
