//! The record of processing activities as a page, for staff.

use levqor_proto_compliance::v1::{
    GetProcessingRecordPageRequest, record_service_client::RecordServiceClient,
};
use levqor_runtime::testing::Caller;

use crate::bench::Bench;

#[tokio::test]
async fn the_page_has_the_tables_and_says_which_services_gave_no_answer() {
    let bench = Bench::start().await;
    let request = Caller::staff().request(GetProcessingRecordPageRequest {});
    let page = RecordServiceClient::new(bench.channel()).get_processing_record_page(request).await;
    let page = page.expect("a page").into_inner();
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    let html = String::from_utf8(page.data).expect("text");
    for shown in
        ["privacy_complaints", "data_requests", "1 year<", "Sentry", "billing, notifications, support"]
    {
        assert!(html.contains(shown), "{shown}: {html}");
    }
}
