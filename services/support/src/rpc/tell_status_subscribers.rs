//! Mails news of an incident to a part of the subscribers, and defers a further call for the next part. This service calls it. A
//! person who subscribes, or ends the subscription, meanwhile may or may not get the mail.

use levqor_proto_support::v1::{TellStatusSubscribersRequest, TellStatusSubscribersResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        incident::{IncidentId, UpdateId},
        status_subscriber::SubscriberId,
    },
    error::Error,
    status_mails,
    store::{incidents, status_subscribers},
};

/// How many subscribers one call tells.
const PART: i64 = 200;

pub(super) async fn tell_status_subscribers(
    support: &Support,
    ctx: Ctx,
    request: TellStatusSubscribersRequest,
) -> Result<TellStatusSubscribersResponse, Error> {
    let Command { incident_id, update_id, after } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let incident = incidents::lock(tx, incident_id).await?.ok_or(Error::IncidentNotFound)?;
        let updates = incidents::updates(tx, &[incident_id]).await?;
        let update = updates.iter().find(|update| update.id == update_id).ok_or(Error::IncidentNotFound)?;
        let subscribers = status_subscribers::confirmed_after(tx, after, PART).await?;
        for subscriber in &subscribers {
            status_mails::tell(tx, &support.config, &incident, update, subscriber).await?;
        }
        let told = i64::try_from(subscribers.len()).unwrap_or(i64::MAX);
        if let Some(last) = subscribers.last().filter(|_| told == PART) {
            status_mails::tell_after(tx, incident_id, update_id, Some(last.id)).await?;
        }
        let response = TellStatusSubscribersResponse { told };
        Ok(Done::unaudited(response, "the step of the incident is audited"))
    })
    .await
}

struct Command {
    incident_id: IncidentId,
    update_id: UpdateId,
    after: Option<SubscriberId>,
}

impl TryFrom<&TellStatusSubscribersRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &TellStatusSubscribersRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let incident_id = violations.field("incident_id", &request.incident_id);
        let update_id = violations.field("update_id", &request.update_id);
        let after = violations.filter("after_subscriber_id", &request.after_subscriber_id);
        let ids = incident_id.zip(update_id);
        violations.finish(ids.map(|(incident_id, update_id)| Self { incident_id, update_id, after }))
    }
}
