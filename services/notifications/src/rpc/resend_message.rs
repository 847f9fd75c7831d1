//! `ResendMessage`: staff send a message again; recorded in the audit chain. A message that was not sent keeps its id. The provider
//! gets a new key, because for the old key it would repeat its old answer. Of a message that was sent, a copy is sent: the original
//! keeps its evidence.

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
    domain::message::{Message, MessageId, Resend, State},
    error::Error,
    store::messages::{self, settle},
};

pub(super) async fn resend_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: ResendMessageRequest,
) -> Result<ResendMessageResponse, Error> {
    let message_id = id("message_id", &request.message_id)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let mut message = messages::lock(tx, message_id).await?.ok_or(Error::MessageNotFound)?;
        let again = match message.resend()? {
            Resend::NewRound => {
                begin_round(tx, notifications, &message).await?;
                message
            }
            Resend::Copy => copy(tx, notifications, &message).await?,
        };
        let (metrics, template, again_id) = (notifications.metrics.clone(), again.template.clone(), again.id);
        tx.after_commit(move || {
            metrics.came_to(&template, State::Pending);
            tracing::info!(message.id = %again_id, "a message is sent again");
        });
        let response = ResendMessageResponse { message: Some(again.into()) };
        let ids: [(_, &dyn std::fmt::Display); 2] = [("message_id", &message_id), ("sent_as", &again_id)];
        Ok(Done::audited(response, "message.resend", &ids))
    })
    .await
}

/// Stores a copy of a message that was sent, and defers its delivery.
async fn copy(tx: &mut Tx, notifications: &Notifications, message: &Message) -> Result<Message, Error> {
    let now = tx.now().await?;
    let id = MessageId::new_at(now);
    settle::copy(tx, message.id, id, &sender(notifications, message), now).await?;
    let deliver = DeliverMessageRequest { message_id: id.to_string() };
    defer(tx, &deliver, format!("deliver:{id}")).await?;
    messages::get(tx, id).await?.ok_or(Error::MessageNotFound)
}

/// Stores that a message is pending again, and defers its delivery in its new round. The round uses the sender of the current
/// settings, because the old sender may be the reason for the failure.
pub(super) async fn begin_round(
    tx: &mut Tx,
    notifications: &Notifications,
    message: &Message,
) -> Result<(), DbError> {
    settle::begin_round(tx, message.id, message.round, &sender(notifications, message)).await?;
    let again = DeliverMessageRequest { message_id: message.id.to_string() };
    defer(tx, &again, format!("deliver:{}", message.idempotency_key())).await
}

/// The sender that today's settings give to a message.
fn sender(notifications: &Notifications, message: &Message) -> String {
    let senders = &notifications.config.mail.senders;
    let template = notifications.templates.get(&message.template);
    template.map_or(senders.common(), |template| senders.of(template.sender())).to_string()
}
