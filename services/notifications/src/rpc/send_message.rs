//! `SendMessage`: stores one rendered message for a service of the mesh, and defers its delivery. The same message is never stored
//! twice. A message that its recipient must not get is stored as SUPPRESSED and never delivered.

use levqor_proto_mail::v1::{SendMessageRequest, SendMessageResponse};
use levqor_proto_notifications::v1::DeliverMessageRequest;
use levqor_runtime::{
    context::{Actor, Ctx},
    db::{DbError, Tx},
    deferred::defer_in_lane,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::deliver_message;
use crate::{
    Notifications,
    domain::{
        class::Class,
        header::{Headers, NotAHeader},
        marketing_policy::MarketingPolicy,
        message::{MessageId, Outcome, State},
        permit::Permit,
        reference::About,
        template::{Content, MarketingLinks, Templates},
    },
    egress,
    error::Error,
    fail_point,
    store::messages::{self, NewMessage, settle},
};

pub(super) async fn send_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Error> {
    let command = Command::try_new(&request, &notifications.templates)?;
    let requested_by = match &ctx.actor {
        Actor::Service(name) => name.as_str(),
        Actor::Anonymous | Actor::User(_) => "",
    };
    let recipient_hash = notifications.config.address_key.hash(&command.recipient);
    let is_marketing = Class::from(command.content.template.class()) == Class::Marketing;
    let links = is_marketing.then(|| notifications.links.of_marketing(&recipient_hash)).flatten();
    let rendered = notifications.templates.render(&command.content, links.as_ref()).map_err(Error::Render)?;
    let headers = headers(links.as_ref()).map_err(|_| Error::UnsubscribeLink)?;
    let headers = match &command.reply_to {
        Some(address) => with_headers_for_replies(headers, address)?,
        None => headers,
    };
    let (senders, kind) = (&notifications.config.mail.senders, command.content.template.sender());
    mutate(notifications, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let message = NewMessage {
            id: MessageId::new_at(now),
            template: command.content.template,
            about: &command.about,
            recipient: &command.recipient,
            recipient_hash,
            requested_by,
            guard_subject: command.guard_subject.as_ref(),
            sender: &senders.of(kind).to_string(),
            reply_to: command.reply_to.as_ref().or(senders.reply_to(kind)),
            headers: &headers,
            rendered: &rendered,
            create_time: now,
        };
        // The idempotency key covers the same request of the same caller, for a limited time. The identity of the message covers
        // every caller, for good.
        let duplicate = !messages::insert(tx, &message).await?;
        let (message_id, state) = if duplicate {
            (messages::find_same(tx, &message).await?, None)
        } else {
            fail_point::MESSAGE_WRITTEN.reached();
            (message.id, Some(settle_or_defer(tx, &message, &notifications.config.marketing).await?))
        };
        let (metrics, template) = (notifications.metrics.clone(), message.template.name().to_owned());
        tx.after_commit(move || {
            fail_point::MESSAGE_STORED.reached();
            if let Some(state) = state {
                metrics.came_to(&template, State::Pending);
                if state != State::Pending {
                    metrics.came_to(&template, state);
                }
            }
            tracing::info!(message.id = %message_id, message.template = template, duplicate, "message stored");
        });
        let response = SendMessageResponse { message_id: message_id.to_string(), duplicate };
        Ok(Done::unaudited(response, "only services make this call, for no person"))
    })
    .await
}

/// The header lines of an advertising mail. With them a mail program shows its own button that unsubscribes by one click (RFC 8058).
fn headers(links: Option<&MarketingLinks>) -> Result<Headers, NotAHeader> {
    let Some(links) = links else { return Ok(Headers::default()) };
    Headers::default()
        .with("List-Unsubscribe", &format!("<{}>", links.unsubscribe.as_str()))?
        .with("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
}

/// Adds the header lines of a mail whose replies come back to us. `X-Auto-Response-Suppress` (MS-OXCMAIL 2.2.3.2.14) asks mail
/// programs not to answer it automatically. If the mail itself is sent back to us, we recognise it by `X-Loop`.
fn with_headers_for_replies(headers: Headers, reply_to: &Email) -> Result<Headers, Error> {
    let does_not_fit =
        |_| Error::from(Invalid::of("reply_to", "expected an address that fits into a header"));
    headers
        .with("X-Auto-Response-Suppress", "All")
        .and_then(|it| it.with("X-Loop", reply_to.as_str()))
        .map_err(does_not_fit)
}

/// Asks whether the message may go to its recipient. If it may, defers its delivery; if it must not, settles it. Returns its state.
async fn settle_or_defer(
    tx: &mut Tx,
    message: &NewMessage<'_>,
    policy: &MarketingPolicy,
) -> Result<State, DbError> {
    let (class, category) = (message.template.class().into(), message.template.category().into());
    let permit = egress::permit(tx, message.id, (class, category), &message.recipient_hash, policy).await?;
    let at = match permit {
        Permit::Granted => message.create_time,
        Permit::Later(time) => time,
        Permit::Suppressed(reason) => {
            settle::settle(tx, message.id, &Outcome::Suppressed { reason }).await?;
            return Ok(State::Suppressed);
        }
    };
    let request = DeliverMessageRequest { message_id: message.id.to_string() };
    defer_in_lane(tx, &request, format!("deliver:{}", message.id), at, deliver_message::lane(class)).await?;
    Ok(State::Pending)
}

/// A valid request.
struct Command<'a> {
    recipient: Email,
    about: About,
    guard_subject: Option<About>,
    reply_to: Option<Email>,
    content: Content<'a>,
}

impl<'a> Command<'a> {
    fn try_new(request: &SendMessageRequest, templates: &'a Templates) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.parse("recipient", &request.recipient, "a mail address");
        let about = violations.parse("about", &request.about, About::EXPECTED);
        let guard_subject = violations.filter("guard_subject", &request.guard_subject);
        let reply_to = violations.filter("reply_to", &request.reply_to);
        let content = templates.read(request, &mut violations);
        let command = || {
            Some(Self { recipient: recipient?, about: about?, guard_subject, reply_to, content: content? })
        };
        violations.finish(command())
    }
}
