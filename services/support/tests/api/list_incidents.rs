//! `ListIncidents`: staff see private ones, with the report.

use levqor_proto_support::v1::{ListIncidentsRequest, incident::State};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn staff_see_what_was_reported() {
    let bench = Bench::start().await;
    bench.emergency().await;
    let request = ListIncidentsRequest { state: State::Reported.into(), ..Default::default() };
    let list = bench.incidents().list_incidents(Caller::staff().request(request.clone())).await;
    let incidents = list.expect("a list").into_inner().incidents;
    assert_eq!(incidents[0].report, "Ada's shop is down\n\nNo orders");
    assert_eq!(
        reason(&refused(bench.incidents().list_incidents(ada().request(request)).await)),
        "ROLE_TOO_LOW"
    );
}
