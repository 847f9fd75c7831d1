//! `CreateIncident`: an incident is private; a maintenance is announced a day ahead, and public at once.

use chrono::{TimeDelta, Utc};
use levqor_proto_support::v1::{Component, CreateIncidentRequest, incident::Kind};
use levqor_runtime::{
    testing::{Caller, reason, refused, violated},
    timestamp,
};

use crate::bench::Bench;

/// A maintenance of an hour that begins this number of hours from now.
pub(crate) async fn maintenance(bench: &Bench, hours: i64) -> CreateIncidentRequest {
    let now: chrono::DateTime<Utc> =
        sqlx::query_scalar("SELECT runtime.now()").fetch_one(bench.service.db.pool()).await.expect("now");
    let begin = now + TimeDelta::hours(hours);
    CreateIncidentRequest {
        kind: Kind::Maintenance.into(),
        title: "New database".to_owned(),
        text: "We move to a new database.".to_owned(),
        components: vec![Component::Billing.into()],
        start_time: Some(timestamp(begin)),
        end_time: Some(timestamp(begin + TimeDelta::hours(1))),
        ..CreateIncidentRequest::default()
    }
}

#[tokio::test]
async fn a_maintenance_is_announced_a_day_ahead_and_an_incident_is_private() {
    let bench = Bench::start().await;
    let create = async |request| bench.incidents().create_incident(Caller::staff().request(request)).await;
    let soon = create(maintenance(&bench, 23).await).await;
    assert_eq!(reason(&refused(soon)), "MAINTENANCE_TOO_SOON");
    create(maintenance(&bench, 25).await).await.expect("announced");
    let incident = CreateIncidentRequest {
        kind: Kind::Incident.into(),
        start_time: None,
        end_time: None,
        ..maintenance(&bench, 25).await
    };
    create(incident.clone()).await.expect("created");
    let shown = bench.public_status().await.incidents;
    assert!(shown.len() == 1 && shown[0].kind() == Kind::Maintenance, "{shown:?}");
    let with_end = CreateIncidentRequest { end_time: maintenance(&bench, 1).await.end_time, ..incident };
    assert_eq!(violated(&refused(create(with_end).await)), ["end_time"]);
    let status = refused(create(CreateIncidentRequest::default()).await);
    assert_eq!(violated(&status), ["kind", "title", "text", "components"]);
}
