//! `GetMessage`: shows staff one message and what was rendered for it.

use std::sync::Arc;

use levqor_proto::notifications::v1::{self as proto, GetMessageRequest, GetMessageResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Notifications,
    domain::message::{Message, MessageId, Outcome, State},
    error::Error,
    store::messages,
};

pub(super) async fn get_message(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: GetMessageRequest,
) -> Result<GetMessageResponse, Error> {
    let id = parse(&request)?;
    let mut conn = state.chassis.db.acquire().await?;
    let message = messages::get(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    let body = messages::body(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    Ok(GetMessageResponse { message: Some(message.into()), text: body.text, html: body.html })
}

fn parse(request: &GetMessageRequest) -> Result<MessageId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
    violations.finish(id)
}

impl From<Message> for proto::Message {
    fn from(message: Message) -> Self {
        let state = proto::message::State::from(message.state()).into();
        let (receipt, send_time, failure) = match message.outcome {
            None => (None, None, None),
            Some(Outcome::Sent { receipt, send_time }) => (Some(receipt), Some(send_time), None),
            Some(Outcome::Failed { failure }) => (None, None, Some(failure)),
        };
        let (provider, provider_message_id) =
            receipt.map(|receipt| (receipt.provider, receipt.provider_message_id)).unwrap_or_default();
        Self {
            message_id: message.id.to_string(),
            template: message.template,
            about: message.about,
            recipient: message.recipient.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
            subject: message.subject,
            state,
            provider,
            provider_message_id,
            failure: failure.unwrap_or_default(),
            create_time: Some(timestamp(message.create_time)),
            send_time: send_time.map(timestamp),
        }
    }
}

impl From<State> for proto::message::State {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Sent => Self::Sent,
            State::Failed => Self::Failed,
        }
    }
}
