//! `ResolveMessage`: staff who have looked at the provider's own list say what became of a message that is in doubt;
//! recorded in the audit chain. It is sent, given up, or sent again under a new key, which is their word that a second mail
//! does no harm.

use std::sync::Arc;

use levqor_proto_notifications::v1::{
    ResolveMessageRequest, ResolveMessageResponse, resolve_message_request as wire,
};
use levqor_runtime::{
    audit,
    context::Ctx,
    error::{Invalid, Violations},
    idempotency::{self, Claim},
};

use crate::{
    Notifications,
    domain::{
        delivery::Attempt,
        message::{MessageId, Outcome, ProviderMessageId, Resolution},
    },
    error::Error,
    fail_point,
    rpc::{apply_provider_event::take_up_waiting, resend_message::begin_round},
    store::{delivery_attempts, messages},
};

pub(super) async fn resolve_message(
    state: Arc<Notifications>,
    ctx: Ctx,
    request: ResolveMessageRequest,
) -> Result<ResolveMessageResponse, Error> {
    let Command { id, resolution } = Command::try_from(&request)?;
    let action = match resolution {
        Resolution::Sent(_) => "message.resolve_sent",
        Resolution::SendAgain => "message.resolve_send_again",
        Resolution::Abandoned => "message.resolve_abandoned",
    };
    let mut tx = state.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let attempts = delivery_attempts::of_message(&mut tx, id).await?;
    // Who may have it is who was last handed it without a clear answer.
    let holder =
        attempts.into_iter().rfind(Attempt::is_ambiguous).map(|attempt| attempt.provider_name().to_owned());
    let now = tx.now().await?;
    message.resolve(resolution, holder.unwrap_or_else(|| state.provider.name().to_owned()), now)?;
    if let Some(outcome) = &message.outcome {
        messages::settle(&mut tx, id, outcome).await?;
        if let Outcome::Sent { receipt, .. } = outcome {
            take_up_waiting(&mut tx, receipt).await?;
        }
    } else {
        begin_round(&mut tx, &state, &message).await?;
    }
    let (template, came_to) = (message.template.clone(), message.state());
    let response = ResolveMessageResponse { message: Some(message.into()) };
    ticket.remember(&mut tx, &response).await?;
    let message_id = id.to_string();
    audit::append(&mut tx, &ctx.actor, action, &[("message_id", message_id.as_str())]).await?;
    tx.commit().await?;
    fail_point::MESSAGE_RESOLVED.reached();
    state.metrics.came_to(&template, came_to);
    tracing::info!(message.id = %id, action, "a doubt was resolved");
    Ok(response)
}

/// A valid request.
struct Command {
    id: MessageId,
    resolution: Resolution,
}

impl TryFrom<&ResolveMessageRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ResolveMessageRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
        let resolution = match &request.resolution {
            Some(wire::Resolution::Sent(sent)) => violations
                .parse("sent.provider_message_id", &sent.provider_message_id, ProviderMessageId::EXPECTED)
                .map(Resolution::Sent),
            Some(wire::Resolution::SendAgain(_)) => Some(Resolution::SendAgain),
            Some(wire::Resolution::Abandoned(_)) => Some(Resolution::Abandoned),
            None => {
                violations.add("resolution", "expected one of sent, send_again and abandoned");
                None
            }
        };
        violations.finish(id.zip(resolution).map(|(id, resolution)| Self { id, resolution }))
    }
}
