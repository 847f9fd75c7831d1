//! `SendMessage`: stores one rendered message for services of the mesh, once for good, and defers its delivery.

use std::sync::Arc;

use levqor_proto_base::r#type::v1::Money;
use levqor_proto_notifications::v1::{
    DeliverMessageRequest, OrderIntakeRequest, OrderWelcome, SendMessageRequest, SendMessageResponse,
    send_message_request,
};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    idempotency::{self, Claim},
};

use crate::{
    Notifications,
    domain::{
        content::{self, Content},
        message::{MessageId, State},
        money::Amount,
        person_name::PersonName,
        reference::{About, OrderId},
        text::Line,
    },
    error::Error,
    fail_point,
    store::messages::{self, NewMessage},
};

pub(super) async fn send_message(
    state: Arc<Notifications>,
    ctx: Ctx,
    request: SendMessageRequest,
) -> Result<SendMessageResponse, Error> {
    let command = Command::try_from(&request)?;
    let rendered = state.templates.render(&command.content).map_err(Error::Render)?;

    let mut tx = state.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let now = tx.now().await?;
    let message = NewMessage {
        id: MessageId::new_at(now),
        template: command.content.template(),
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
        fail_point::MESSAGE_WRITTEN.reached();
        let request = DeliverMessageRequest { message_id: message.id.to_string() };
        defer(&mut tx, &request, format!("deliver:{}", message.id)).await?;
        message.id
    };
    let response = SendMessageResponse { message_id: message_id.to_string(), duplicate };
    ticket.remember(&mut tx, &response).await?;
    tx.commit().await?;
    fail_point::MESSAGE_STORED.reached();
    if !duplicate {
        state.metrics.came_to(message.template.name(), State::Pending);
    }
    tracing::info!(message.id = %message_id, message.template = message.template.name(), duplicate, "message stored");
    Ok(response)
}

/// A valid request.
struct Command {
    recipient: Email,
    about: About,
    content: Content,
}

impl TryFrom<&SendMessageRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &SendMessageRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.parse("recipient", &request.recipient, "a mail address");
        let about = violations.parse("about", &request.about, About::EXPECTED);
        let content = match &request.content {
            Some(send_message_request::Content::OrderWelcome(data)) => {
                order_welcome(&mut violations, data).map(Content::OrderWelcome)
            }
            Some(send_message_request::Content::OrderIntakeRequest(data)) => {
                order_intake_request(&mut violations, data).map(Content::OrderIntakeRequest)
            }
            None => {
                violations.add("content", "expected one of the templates with its data");
                None
            }
        };
        let command = || Some(Self { recipient: recipient?, about: about?, content: content? });
        violations.finish(command())
    }
}

fn order_welcome(violations: &mut Violations, data: &OrderWelcome) -> Option<content::OrderWelcome> {
    let customer_name = PersonName::of(&data.customer_name);
    let order_id = violations.parse("order_welcome.order_id", &data.order_id, OrderId::EXPECTED);
    let tier = violations.parse("order_welcome.tier", &data.tier, Line::EXPECTED);
    let amount = amount(violations, "order_welcome.amount", data.amount.as_ref());
    let delivery_time = violations.parse("order_welcome.delivery_time", &data.delivery_time, Line::EXPECTED);
    let revisions = u32::try_from(data.revisions).ok();
    if revisions.is_none() {
        violations.add("order_welcome.revisions", "expected 0 or more");
    }
    Some(content::OrderWelcome {
        customer_name,
        order_id: order_id?,
        tier: tier?,
        amount: amount.map(|amount| (amount.minor_units > 0).then_some(amount))?,
        delivery_time: delivery_time?,
        revisions: revisions?,
    })
}

fn order_intake_request(
    violations: &mut Violations,
    data: &OrderIntakeRequest,
) -> Option<content::OrderIntakeRequest> {
    let customer_name = PersonName::of(&data.customer_name);
    let order_id = violations.parse("order_intake_request.order_id", &data.order_id, OrderId::EXPECTED);
    let tier = violations.parse("order_intake_request.tier", &data.tier, Line::EXPECTED);
    Some(content::OrderIntakeRequest { customer_name, order_id: order_id?, tier: tier? })
}

fn amount(violations: &mut Violations, field: &str, money: Option<&Money>) -> Option<Amount> {
    let Some(money) = money else {
        violations.add(field, "expected an amount");
        return None;
    };
    let currency = violations.parse(
        &format!("{field}.currency_code"),
        &money.currency_code,
        "a currency's code of three upper case letters",
    );
    let minor_units = u64::try_from(money.minor_units).ok();
    if minor_units.is_none() {
        violations.add(&format!("{field}.minor_units"), "expected 0 or more");
    }
    Some(Amount { currency: currency?, minor_units: minor_units? })
}
