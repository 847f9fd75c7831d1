//! Updates one incident with news, or resolves it, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{UpdateIncidentRequest, UpdateIncidentResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        incident::{IncidentId, IncidentState, Update, UpdateId},
        text::TicketText,
    },
    error::Error,
    operators, status_mails,
    store::incidents,
};

pub(super) async fn update_incident(
    support: &Support,
    ctx: Ctx,
    request: UpdateIncidentRequest,
) -> Result<UpdateIncidentResponse, Error> {
    let Command { id, state, text, publish_with_incident } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut incident = incidents::lock(tx, id).await?.ok_or(Error::IncidentNotFound)?;
        let now = tx.now().await?;
        incident.update(state, now)?;
        let update = Update {
            id: UpdateId::new_at(now),
            incident_id: id,
            state,
            text: text.as_str().to_owned(),
            is_public: incident.publish_time.is_some() || publish_with_incident,
            create_time: now,
        };
        incidents::save(tx, &incident).await?;
        incidents::add_update(tx, &update).await?;
        status_mails::news(tx, &incident, &update).await?;
        if state == IncidentState::Resolved {
            operators::emergency_over(tx, id).await?;
        }
        let updates = incidents::updates(tx, &[id]).await?;
        let response = UpdateIncidentResponse { incident: Some(incident.to_wire(&updates)) };
        Ok(Done::audited(response, "incident.update", &[("incident_id", &id)]))
    })
    .await
}

struct Command {
    id: IncidentId,
    state: IncidentState,
    text: TicketText,
    publish_with_incident: bool,
}

impl TryFrom<&UpdateIncidentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UpdateIncidentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("incident_id", &request.incident_id);
        let state = violations.field_enum("state", request.state);
        let text = violations.field("text", &request.text);
        let publish_with_incident = request.publish_with_incident;
        let command = || Some(Self { id: id?, state: state?, text: text?, publish_with_incident });
        violations.finish(command())
    }
}
