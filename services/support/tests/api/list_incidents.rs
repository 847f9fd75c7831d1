//! `ListIncidents`: staff see private ones, with the report.

use levqor_proto_support::v1::{ListIncidentsRequest, incident::State};
use levqor_runtime::testing::Caller;

use crate::bench::Bench;

#[tokio::test]
async fn staff_see_reports() {
    let bench = Bench::start().await;
    bench.emergency().await;
    let request = ListIncidentsRequest { state: State::Reported.into(), ..Default::default() };
    let list = bench.incidents().list_incidents(Caller::staff().request(request)).await;
    let incidents = list.expect("a list").into_inner().incidents;
    assert_eq!(incidents[0].report, "Ada's shop is down\n\nNo orders");
}
