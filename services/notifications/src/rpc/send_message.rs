//! `SendMessage`: stores one rendered message for services of the mesh, once for good, and defers its delivery.

use std::sync::Arc;

use levqor_proto_mail::v1::{SendMessageRequest, SendMessageResponse};
use levqor_proto_notifications::v1::DeliverMessageRequest;
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    fail_point::FailPoint,
    idempotency::{self, Claim},
};

use crate::{
    Notifications,
    domain::{
        message::{MessageId, State},
        reference::About,
        template::{Content, Templates},
    },
    error::Error,
    store::messages::{self, NewMessage},
};

pub(super) async fn send_message(
    state: Arc<Notifications>,
    ctx: Ctx,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Error> {
    let command = Command::try_new(&request, &state.templates)?;
    let rendered = state.templates.render(&command.content).map_err(Error::Render)?;

    let mut tx = state.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let now = tx.now().await?;
    let message = NewMessage {
        id: MessageId::new_at(now),
        template: command.content.template,
        about: &command.about,
        recipient: &command.recipient,
        recipient_hash: state.config.address_key.hash(&command.recipient),
        sender: &state.config.sender.to_string(),
        rendered: &rendered,
        create_time: now,
    };
    // The idempotency key answers the same request of the same caller, for a while; the message's identity holds
    // whoever asks, for good.
    let duplicate = !messages::insert(&mut tx, &message).await?;
    let message_id = if duplicate {
        messages::find_same(&mut tx, &message).await?
    } else {
        FailPoint::MessageWritten.reached();
        let request = DeliverMessageRequest { message_id: message.id.to_string() };
        defer(&mut tx, &request, format!("deliver:{}", message.id)).await?;
        message.id
    };
    let response = SendMessageResponse { message_id: message_id.to_string(), duplicate };
    ticket.remember(&mut tx, &response).await?;
    tx.commit().await?;
    FailPoint::MessageStored.reached();
    if !duplicate {
        state.metrics.came_to(message.template.name(), State::Pending);
    }
    tracing::info!(message.id = %message_id, message.template = message.template.name(), duplicate, "message stored");
    Ok(response)
}

/// A valid request.
struct Command<'a> {
    recipient: Email,
    about: About,
    content: Content<'a>,
}

impl<'a> Command<'a> {
    fn try_new(request: &SendMessageRequest, templates: &'a Templates) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.parse("recipient", &request.recipient, "a mail address");
        let about = violations.parse("about", &request.about, About::EXPECTED);
        let content = templates.read(request, &mut violations);
        let command = || Some(Self { recipient: recipient?, about: about?, content: content? });
        violations.finish(command())
    }
}
