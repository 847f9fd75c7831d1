//! `ResolveMessage`: staff resolve a message that is in doubt, after they have looked at the provider's own list; recorded in the
//! audit chain. They mark it as sent, give it up, or send it again under a new key. To send it again means that they accept a
//! second mail.

use levqor_proto_notifications::v1::{
    ResolveMessageRequest, ResolveMessageResponse, resolve_message_request as wire,
};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Notifications,
    domain::{
        delivery::Attempt,
        message::{MessageId, Outcome, Resolution},
    },
    error::Error,
    fail_point,
    operators::doubt,
    rpc::{apply_provider_event::take_up_waiting, resend_message::begin_round},
    store::{
        delivery_attempts,
        messages::{self, settle},
    },
};

pub(super) async fn resolve_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: ResolveMessageRequest,
) -> Result<ResolveMessageResponse, Error> {
    let Command { message_id, resolution } = (&request).try_into()?;
    let action = match resolution {
        Resolution::Sent(_) => "message.resolve_sent",
        Resolution::SendAgain => "message.resolve_send_again",
        Resolution::Abandoned => "message.resolve_abandoned",
    };
    mutate(notifications, &ctx, &request, async |tx| {
        let mut message = messages::lock(tx, message_id).await?.ok_or(Error::MessageNotFound)?;
        let attempts = delivery_attempts::of_message(tx, message_id).await?;
        // The provider of the last ambiguous attempt may have the message.
        let holder = attempts.into_iter().rfind(Attempt::is_ambiguous);
        let holder = holder.map(|attempt| attempt.provider_name().to_owned());
        let first = || notifications.providers.at(0).map(|placed| placed.provider.name().to_owned());
        let holder = holder.or_else(first).unwrap_or_default();
        message.resolve(resolution, holder, tx.now().await?)?;
        doubt::end(tx, &message).await?;
        if let Some(outcome) = &message.outcome {
            settle::settle(tx, message_id, outcome).await?;
            if let Outcome::Sent { receipt, .. } = outcome {
                take_up_waiting(tx, receipt).await?;
            }
        } else {
            begin_round(tx, notifications, &message).await?;
        }
        let (metrics, template) = (notifications.metrics.clone(), message.template.clone());
        let came_to = message.state();
        tx.after_commit(move || {
            fail_point::MESSAGE_RESOLVED.reached();
            metrics.came_to(&template, came_to);
            tracing::info!(message.id = %message_id, action, "a doubt was resolved");
        });
        let response = ResolveMessageResponse { message: Some(message.into()) };
        Ok(Done::audited(response, action, &[("message_id", &message_id)]))
    })
    .await
}

/// A valid request.
struct Command {
    message_id: MessageId,
    resolution: Resolution,
}

impl TryFrom<&ResolveMessageRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ResolveMessageRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let message_id = violations.field("message_id", &request.message_id);
        let resolution = match &request.resolution {
            Some(wire::Resolution::Sent(sent)) => {
                let provider_message_id = &sent.provider_message_id;
                violations.field("sent.provider_message_id", provider_message_id).map(Resolution::Sent)
            }
            Some(wire::Resolution::SendAgain(_)) => Some(Resolution::SendAgain),
            Some(wire::Resolution::Abandoned(_)) => Some(Resolution::Abandoned),
            None => {
                violations.add("resolution", "expected one of sent, send_again and abandoned");
                None
            }
        };
        let command = message_id.zip(resolution);
        violations.finish(command.map(|(message_id, resolution)| Self { message_id, resolution }))
    }
}
