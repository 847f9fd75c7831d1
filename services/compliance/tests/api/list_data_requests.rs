//! Lists of data requests.

use levqor_proto_compliance::v1::{ListDataRequestsRequest, Right, data_request::State};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada, bob};

#[tokio::test]
async fn customers_see_their_own_and_staff_see_all() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    bench.create(&bob(), Right::Erasure).await.expect("created");
    let list = async |caller: Caller, state: State| {
        let request = ListDataRequestsRequest { state: state.into(), ..ListDataRequestsRequest::default() };
        let listed = bench.client().list_data_requests(caller.request(request)).await.expect("a list");
        listed.into_inner().data_requests
    };
    assert_eq!(
        list(ada(), State::Unspecified).await.iter().map(|it| &it.data_request_id).collect::<Vec<_>>(),
        [&id]
    );
    assert_eq!(list(Caller::staff(), State::AwaitingApproval).await.len(), 2);
    assert!(list(Caller::staff(), State::Done).await.is_empty());
}
