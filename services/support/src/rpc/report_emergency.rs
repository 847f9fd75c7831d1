//! Reports an emergency for the signed-in customer: a private incident, and operators are paged in the same transaction.

use levqor_proto_support::v1::{ReportEmergencyRequest, ReportEmergencyResponse};
use levqor_runtime::{
    context::{Actor, Ctx},
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        incident::{Incident, IncidentId, IncidentKind, IncidentState},
        text::{FormText, TicketText},
    },
    error::Error,
    operators,
    store::incidents,
};

pub(super) async fn report_emergency(
    support: &Support,
    ctx: Ctx,
    request: ReportEmergencyRequest,
) -> Result<ReportEmergencyResponse, Error> {
    let Command { summary, impact } = Command::try_from(&request)?;
    let reporter_sub = match &ctx.actor {
        Actor::User(user) => Some(user.sub.clone()),
        Actor::Anonymous | Actor::Service(_) => None,
    };
    mutate(support, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let incident = Incident {
            id: IncidentId::new_at(now),
            kind: IncidentKind::Incident,
            state: IncidentState::Reported,
            title: String::new(),
            report: format!("{}\n\n{}", summary.as_str(), impact.as_str()).trim_end().to_owned(),
            reporter_sub,
            components: Vec::new(),
            publish_time: None,
            start_time: now,
            end_time: None,
            create_time: now,
        };
        incidents::insert(tx, &incident).await?;
        operators::emergency(tx, incident.id).await?;
        let response = ReportEmergencyResponse { incident_id: incident.id.to_string() };
        Ok(Done::audited(response, "emergency.report", &[("incident_id", &incident.id)]))
    })
    .await
}

struct Command {
    summary: TicketText,
    impact: FormText,
}

impl TryFrom<&ReportEmergencyRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ReportEmergencyRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let summary = violations.field("summary", &request.summary);
        let impact = violations.field("impact", &request.impact);
        violations.finish(summary.zip(impact).map(|(summary, impact)| Self { summary, impact }))
    }
}
