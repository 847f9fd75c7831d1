//! `ResendMessage`: staff send a message again that has failed; recorded in the audit chain. It stays the same message, and
//! the provider gets a new key: with the old key the provider would repeat its old answer.

use std::sync::Arc;

use levqor_proto_notifications::v1::{DeliverMessageRequest, ResendMessageRequest, ResendMessageResponse};
use levqor_runtime::{
    audit,
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    error::{Invalid, Violations},
    idempotency::{self, Claim},
};

use crate::{
    Notifications,
    domain::message::{Message, MessageId, State},
    error::Error,
    store::messages,
};

pub(super) async fn resend_message(
    state: Arc<Notifications>,
    ctx: Ctx,
    request: ResendMessageRequest,
) -> Result<ResendMessageResponse, Error> {
    let id = parse(&request)?;
    let mut tx = state.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    message.resend()?;
    begin_round(&mut tx, &state, &message).await?;
    let template = message.template.clone();
    let response = ResendMessageResponse { message: Some(message.into()) };
    ticket.remember(&mut tx, &response).await?;
    let message_id = id.to_string();
    let ids = [("message_id", message_id.as_str())];
    audit::append(&mut tx, &ctx.actor, "message.resend", &ids).await?;
    tx.commit().await?;
    state.metrics.came_to(&template, State::Pending);
    tracing::info!(message.id = %id, "a failed message is sent again");
    Ok(response)
}

/// Stores that a message is pending again, and defers its delivery in its new round. The round takes the sender of today's
/// settings: the old one may be why the message failed.
pub(super) async fn begin_round(
    tx: &mut Tx,
    state: &Notifications,
    message: &Message,
) -> Result<(), DbError> {
    messages::begin_round(tx, message.id, message.round, &state.config.sender.to_string()).await?;
    let again = DeliverMessageRequest { message_id: message.id.to_string() };
    defer(tx, &again, format!("deliver:{}", message.idempotency_key())).await
}

fn parse(request: &ResendMessageRequest) -> Result<MessageId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
    violations.finish(id)
}
