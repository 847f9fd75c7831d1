//! `DeliverMessage`: hands one stored message to the provider and writes down what came of it. Called by this service
//! itself, deferred by `SendMessage`.
//!
//! Provider and database cannot change together, so the provider comes first, with the message's id as idempotency key,
//! and the outcome after it. A crash between the two leaves the message pending: the deferred call comes again, and the
//! provider answers with the receipt that it gave before.

use std::sync::Arc;

use levqor_proto::notifications::v1::{self as proto, DeliverMessageRequest, DeliverMessageResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Notifications,
    domain::message::{Message, MessageId, Outcome, State},
    error::Error,
    provider::DeliveryError,
    store::messages,
};

pub(super) async fn deliver_message(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: DeliverMessageRequest,
) -> Result<DeliverMessageResponse, Error> {
    let id = parse(&request)?;
    let mut conn = state.chassis.db.acquire().await?;
    let mut message = messages::get(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    if message.state() != State::Pending {
        return Ok(message.into());
    }
    let body = messages::body(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    // A provider takes its time; the pool's connections are for others meanwhile.
    drop(conn);

    let delivery = match message.to_mail(body) {
        Ok(mail) => state.provider.deliver(&mail).await,
        Err(nobody) => Err(DeliveryError::Refused { reason: nobody.to_string() }),
    };

    let mut tx = state.chassis.db.begin().await?;
    let outcome = match delivery {
        Ok(receipt) => Outcome::Sent { receipt, send_time: tx.now().await? },
        Err(DeliveryError::Refused { reason }) => Outcome::Failed { failure: reason },
        Err(DeliveryError::Unavailable(source)) => {
            messages::count_attempt(&mut tx, id).await?;
            tx.commit().await?;
            return Err(Error::ProviderUnavailable(source));
        }
    };
    message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    if let Some(outcome) = message.settle(outcome) {
        messages::settle(&mut tx, id, outcome).await?;
        tx.commit().await?;
        tracing::info!(message.id = %id, message.state = message.state().as_str(), "message settled");
    }
    Ok(message.into())
}

fn parse(request: &DeliverMessageRequest) -> Result<MessageId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
    violations.finish(id)
}

impl From<Message> for DeliverMessageResponse {
    fn from(message: Message) -> Self {
        Self { state: proto::message::State::from(message.state()).into() }
    }
}
