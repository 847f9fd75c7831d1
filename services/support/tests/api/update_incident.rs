//! `UpdateIncident`: news is added in order, and nothing can be added after a resolution.

use levqor_proto_mail::v1::EndOperatorNoticeRequest;
use levqor_proto_support::v1::{UpdateIncidentRequest, incident::State};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use super::publish_incident::publish;
use crate::bench::Bench;

#[tokio::test]
async fn news_are_shown_and_a_resolution_ends_it() {
    let bench = Bench::start().await;
    let id = bench.emergency().await;
    let staff = Caller::staff();
    bench.incidents().publish_incident(staff.request(publish(&id))).await.expect("published");
    let update = async |state: State, text: &str| {
        let text = text.to_owned();
        let incident_id = id.clone();
        let request = UpdateIncidentRequest { incident_id, state: state.into(), text, ..Default::default() };
        bench.incidents().update_incident(staff.request(request)).await
    };
    update(State::Identified, "A disk is full.").await.expect("updated");
    update(State::Resolved, "It is over.").await.expect("resolved");
    let shown = bench.public_status().await.incidents;
    assert_eq!((shown[0].state(), shown[0].updates.len()), (State::Resolved, 3));
    assert!(shown[0].end_time.is_some());
    assert_eq!(bench.deferred::<EndOperatorNoticeRequest>().await.len(), 1);
    assert_eq!(reason(&refused(update(State::Monitoring, "No.").await)), "INCIDENT_STATE");
    assert_eq!(violated(&refused(update(State::Unspecified, "").await)), ["state", "text"]);
}
