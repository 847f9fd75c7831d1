//! `ResendMessage`: staff send a message again that has failed; recorded in the audit chain. It stays the same message, and
//! the provider gets a new key: with the old key the provider would repeat its old answer.

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

/// Stores that a message is pending again, and defers its delivery in its new round. The round takes the sender of today's
/// settings: the old one may be why the message failed.
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
