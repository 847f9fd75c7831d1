//! Creates an incident, private until it is published, or announces a maintenance, for staff; recorded in the audit chain.

use chrono::{DateTime, Utc};
use levqor_proto_support::v1::{CreateIncidentRequest, CreateIncidentResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        incident::{
            ANNOUNCED, Component, Incident, IncidentId, IncidentKind, IncidentState, Update, UpdateId,
        },
        text::{Subject, TicketText},
    },
    error::Error,
    status_mails,
    store::incidents,
};

pub(super) async fn create_incident(
    support: &Support,
    ctx: Ctx,
    request: CreateIncidentRequest,
) -> Result<CreateIncidentResponse, Error> {
    let command = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let is_maintenance = command.kind == IncidentKind::Maintenance;
        let start_time = command.start_time.unwrap_or(now);
        if is_maintenance && start_time < now + ANNOUNCED {
            return Err(Error::MaintenanceTooSoon);
        }
        let state = if is_maintenance { IncidentState::Scheduled } else { IncidentState::Investigating };
        let incident = Incident {
            id: IncidentId::new_at(now),
            kind: command.kind,
            state,
            title: command.title.as_str().to_owned(),
            report: String::new(),
            reporter_sub: None,
            components: command.components,
            publish_time: is_maintenance.then_some(now),
            start_time,
            end_time: command.end_time,
            create_time: now,
        };
        let update = Update {
            id: UpdateId::new_at(now),
            incident_id: incident.id,
            state,
            text: command.text.as_str().to_owned(),
            is_public: is_maintenance || command.publish_with_incident,
            create_time: now,
        };
        incidents::insert(tx, &incident).await?;
        incidents::add_update(tx, &update).await?;
        status_mails::news(tx, &incident, &update).await?;
        let response = CreateIncidentResponse { incident: Some(incident.to_wire(&[update])) };
        Ok(Done::audited(response, "incident.create", &[("incident_id", &incident.id)]))
    })
    .await
}

struct Command {
    kind: IncidentKind,
    title: Subject,
    text: TicketText,
    components: Vec<Component>,
    publish_with_incident: bool,
    start_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
}

/// Reads the affected components: at least one, each once.
pub(super) fn components(violations: &mut Violations, numbers: &[i32]) -> Option<Vec<Component>> {
    if numbers.is_empty() {
        violations.add("components", "expected at least one");
    }
    let named: Vec<Component> =
        numbers.iter().map(|number| violations.field_enum("components", *number)).collect::<Option<_>>()?;
    let components: Vec<_> =
        Component::ALL.into_iter().filter(|component| named.contains(component)).collect();
    Some(components).filter(|components| !components.is_empty())
}

impl TryFrom<&CreateIncidentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateIncidentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind: Option<IncidentKind> = violations.field_enum("kind", request.kind);
        let title = violations.field("title", &request.title);
        let text = violations.field("text", &request.text);
        let components = components(&mut violations, &request.components);
        let instant = |time: Option<prost_types::Timestamp>| {
            time.and_then(|time| DateTime::from_timestamp(time.seconds, time.nanos.unsigned_abs()))
        };
        let (start_time, end_time) = (instant(request.start_time), instant(request.end_time));
        let is_maintenance = kind == Some(IncidentKind::Maintenance);
        let is_period = start_time.zip(end_time).is_some_and(|(start, end)| start < end);
        if is_maintenance && !is_period {
            violations.add("end_time", "expected an end after the begin");
        } else if !is_maintenance && end_time.is_some() {
            violations.add("end_time", "expected none for an incident");
        }
        let command = || {
            Some(Self {
                kind: kind?,
                title: title?,
                text: text?,
                components: components?,
                publish_with_incident: request.publish_with_incident,
                start_time,
                end_time,
            })
        };
        violations.finish(command())
    }
}
