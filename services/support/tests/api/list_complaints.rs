//! `ListComplaints`: staff list complaints, and can filter the open ones.

use levqor_proto_support::v1::ListComplaintsRequest;
use levqor_runtime::testing::Caller;

use super::create_complaint::complaint;
use crate::bench::{Bench, ada};

#[tokio::test]
async fn open_complaints_are_listed() {
    let bench = Bench::start().await;
    bench.complaints().create_complaint(ada().request(complaint(""))).await.expect("created");
    let request = ListComplaintsRequest { open: true, ..Default::default() };
    let list = bench.complaints().list_complaints(Caller::staff().request(request)).await;
    let complaints = list.expect("a list").into_inner().complaints;
    assert!(complaints.len() == 1 && complaints[0].acknowledge_time.is_some());
}
