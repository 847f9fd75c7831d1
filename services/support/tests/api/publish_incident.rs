//! `PublishIncident`: the public sees the words of staff, and nothing of the report.

use levqor_proto_support::v1::{
    Component, CreateIncidentRequest, PublishIncidentRequest, UpdateIncidentRequest,
    incident::{Kind, State},
};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, NOBODYS};

pub(crate) fn publish(incident_id: &str) -> PublishIncidentRequest {
    PublishIncidentRequest {
        incident_id: incident_id.to_owned(),
        title: "Orders are slow".to_owned(),
        text: "We look for the cause.".to_owned(),
        components: vec![Component::Billing.into()],
    }
}

#[tokio::test]
async fn the_public_sees_the_words_of_staff_only() {
    let bench = Bench::start().await;
    let id = bench.emergency().await;
    let staff = Caller::staff();
    let components = [Component::Billing, Component::Support, Component::Billing].map(i32::from).into();
    let request = PublishIncidentRequest { components, ..publish(&id) };
    bench.incidents().publish_incident(staff.request(request)).await.expect("published");
    let shown = bench.public_status().await;
    let [incident] = shown.incidents.as_slice() else { panic!("one incident") };
    assert_eq!((incident.title.as_str(), incident.updates.len()), ("Orders are slow", 1));
    assert_eq!(incident.components, [Component::Billing, Component::Support].map(i32::from), "each once");
    assert!(!format!("{shown:?}").contains("Ada"), "{shown:?}");
    let again = bench.incidents().publish_incident(staff.request(publish(&id))).await;
    assert_eq!(reason(&refused(again)), "INCIDENT_STATE");
    let nothing = bench.incidents().publish_incident(staff.request(publish(NOBODYS))).await;
    assert_eq!(reason(&refused(nothing)), "INCIDENT_NOT_FOUND");
    let empty = bench.incidents().publish_incident(staff.request(PublishIncidentRequest::default())).await;
    assert_eq!(violated(&refused(empty)), ["incident_id", "title", "text", "components"]);
}

#[tokio::test]
async fn earlier_texts_stay_private_unless_staff_marked_them() {
    let bench = Bench::start().await;
    let staff = Caller::staff();
    let request = CreateIncidentRequest {
        kind: Kind::Incident.into(),
        title: "Orders".to_owned(),
        text: "Bob pulled the plug.".to_owned(),
        components: vec![Component::Billing.into()],
        ..CreateIncidentRequest::default()
    };
    let created = bench.incidents().create_incident(staff.request(request)).await.expect("created");
    let created = created.into_inner().incident.expect("an incident");
    assert!(!created.updates[0].is_public, "{created:?}");
    for (text, publish_with_incident) in [("Bob plugs it in.", false), ("A plug was out.", true)] {
        let request = UpdateIncidentRequest {
            incident_id: created.incident_id.clone(),
            state: State::Identified.into(),
            text: text.to_owned(),
            publish_with_incident,
        };
        bench.incidents().update_incident(staff.request(request)).await.expect("updated");
    }
    assert!(bench.public_status().await.incidents.is_empty());
    let published = bench.incidents().publish_incident(staff.request(publish(&created.incident_id))).await;
    published.expect("published");
    let request = UpdateIncidentRequest {
        incident_id: created.incident_id,
        state: State::Monitoring.into(),
        text: "It works again.".to_owned(),
        ..UpdateIncidentRequest::default()
    };
    let updated = bench.incidents().update_incident(staff.request(request)).await.expect("updated");
    let of_staff = updated.into_inner().incident.expect("an incident");
    assert_eq!(of_staff.updates.len(), 5, "staff see all");
    let shown = bench.public_status().await;
    let [incident] = shown.incidents.as_slice() else { panic!("one incident") };
    let texts: Vec<_> = incident.updates.iter().map(|update| update.text.as_str()).collect();
    assert_eq!(texts, ["It works again.", "We look for the cause.", "A plug was out."]);
}
