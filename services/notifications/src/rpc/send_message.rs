//! `SendMessage`: stores one rendered message for a service of the mesh, once for good, and defers its delivery.

use levqor_proto_mail::v1::{SendMessageRequest, SendMessageResponse};
use levqor_proto_notifications::v1::DeliverMessageRequest;
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Notifications,
    domain::{
        message::{MessageId, State},
        reference::About,
        template::{Content, Templates},
    },
    error::Error,
    fail_point,
    store::messages::{self, NewMessage},
};

pub(super) async fn send_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Error> {
    let command = Command::try_new(&request, &notifications.templates)?;
    let rendered = notifications.templates.render(&command.content).map_err(Error::Render)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let message = NewMessage {
            id: MessageId::new_at(now),
            template: command.content.template,
            about: &command.about,
            recipient: &command.recipient,
            recipient_hash: notifications.config.address_key.hash(&command.recipient),
            sender: &notifications.config.sender.to_string(),
            rendered: &rendered,
            create_time: now,
        };
        // The idempotency key covers the same request of the same caller, for a limited time. The identity of the message covers
        // every caller, for good.
        let duplicate = !messages::insert(tx, &message).await?;
        let message_id = if duplicate {
            messages::find_same(tx, &message).await?
        } else {
            fail_point::MESSAGE_WRITTEN.reached();
            let request = DeliverMessageRequest { message_id: message.id.to_string() };
            defer(tx, &request, format!("deliver:{}", message.id)).await?;
            message.id
        };
        let (metrics, template) = (notifications.metrics.clone(), message.template.name().to_owned());
        tx.after_commit(move || {
            fail_point::MESSAGE_STORED.reached();
            if !duplicate {
                metrics.came_to(&template, State::Pending);
            }
            tracing::info!(message.id = %message_id, message.template = template, duplicate, "message stored");
        });
        let response = SendMessageResponse { message_id: message_id.to_string(), duplicate };
        Ok(Done::unaudited(response, "only services make this call, for no person"))
    })
    .await
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
