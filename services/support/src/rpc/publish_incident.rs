//! Publishes one incident, in words of staff; recorded in the audit chain.

use levqor_proto_support::v1::{PublishIncidentRequest, PublishIncidentResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::create_incident::components;
use crate::{
    Support,
    domain::{
        incident::{Component, IncidentId, Update, UpdateId},
        text::{Subject, TicketText},
    },
    error::Error,
    status_mails,
    store::incidents,
};

pub(super) async fn publish_incident(
    support: &Support,
    ctx: Ctx,
    request: PublishIncidentRequest,
) -> Result<PublishIncidentResponse, Error> {
    let command = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut incident = incidents::lock(tx, command.id).await?.ok_or(Error::IncidentNotFound)?;
        let now = tx.now().await?;
        incident.publish(command.title.as_str().to_owned(), command.components, now)?;
        let text = command.text.as_str().to_owned();
        let update = Update {
            id: UpdateId::new_at(now),
            incident_id: incident.id,
            state: incident.state,
            text,
            is_public: true,
            create_time: now,
        };
        incidents::save(tx, &incident).await?;
        incidents::add_update(tx, &update).await?;
        status_mails::news(tx, &incident, &update).await?;
        let response = PublishIncidentResponse { incident: Some(incident.to_wire(&[update])) };
        Ok(Done::audited(response, "incident.publish", &[("incident_id", &incident.id)]))
    })
    .await
}

struct Command {
    id: IncidentId,
    title: Subject,
    text: TicketText,
    components: Vec<Component>,
}

impl TryFrom<&PublishIncidentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &PublishIncidentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("incident_id", &request.incident_id);
        let title = violations.field("title", &request.title);
        let text = violations.field("text", &request.text);
        let components = components(&mut violations, &request.components);
        let command = || Some(Self { id: id?, title: title?, text: text?, components: components? });
        violations.finish(command())
    }
}
