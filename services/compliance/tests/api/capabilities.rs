//! What is off says why.

use levqor_compliance::Compliance;
use levqor_proto_compliance::v1::{
    CreateDataRequestRequest, Right, data_request_service_client::DataRequestServiceClient,
};
use levqor_runtime::testing::{TestService, reason};

use crate::bench::ada;

#[tokio::test]
async fn without_a_storage_no_request_is_taken() {
    let service = TestService::<Compliance>::start(&[]).await;
    service.running.ready().await;
    let request = CreateDataRequestRequest { right: Right::Access.into(), ..Default::default() };
    let mut client = DataRequestServiceClient::new(service.channel());
    let refused = client.create_data_request(ada().request(request)).await.expect_err("no storage");
    assert_eq!(reason(&refused), "EXPORTS_OFF");
}
