//! `ResendMessage`: staff send a failed message again; recorded in the audit chain. The message keeps its id. The provider gets a
//! new key, because for the old key it would repeat its old answer.

use levqor_proto_notifications::v1::{DeliverMessageRequest, ResendMessageRequest, ResendMessageResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Notifications,
    domain::message::{Message, State},
    error::Error,
    store::messages,
};

pub(super) async fn resend_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: ResendMessageRequest,
) -> Result<ResendMessageResponse, Error> {
    let message_id = id("message_id", &request.message_id)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let mut message = messages::lock(tx, message_id).await?.ok_or(Error::MessageNotFound)?;
        message.resend()?;
        begin_round(tx, notifications, &message).await?;
        let (metrics, template) = (notifications.metrics.clone(), message.template.clone());
        tx.after_commit(move || {
            metrics.came_to(&template, State::Pending);
            tracing::info!(message.id = %message_id, "a failed message is sent again");
        });
        let response = ResendMessageResponse { message: Some(message.into()) };
        Ok(Done::audited(response, "message.resend", &[("message_id", &message_id)]))
    })
    .await
}

/// Stores that a message is pending again, and defers its delivery in its new round. The round uses the sender of the current
/// settings, because the old sender may be the reason for the failure.
pub(super) async fn begin_round(
    tx: &mut Tx,
    notifications: &Notifications,
    message: &Message,
) -> Result<(), DbError> {
    let sender = notifications.config.sender.to_string();
    messages::begin_round(tx, message.id, message.round, &sender).await?;
    let again = DeliverMessageRequest { message_id: message.id.to_string() };
    defer(tx, &again, format!("deliver:{}", message.idempotency_key())).await
}
