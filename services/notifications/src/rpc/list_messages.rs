//! `ListMessages`: shows staff which messages were asked for and what became of them, newest first.

use std::{str::FromStr, sync::Arc};

use levqor_proto_notifications::v1::{self as proto, ListMessagesRequest, ListMessagesResponse};
use levqor_runtime::{
    context::Ctx,
    db::Page,
    email::Email,
    error::{Invalid, Violations},
};

use crate::{
    Notifications,
    domain::{
        message::State,
        reference::{About, TemplateName},
        report::DeliveryOutcome,
    },
    error::Error,
    store::messages::{self, Filter},
};

pub(super) async fn list_messages(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: ListMessagesRequest,
) -> Result<ListMessagesResponse, Error> {
    let Query { recipient, template, about, state: message_state, delivery_outcome, page } =
        Query::try_from(request)?;
    // By hash, so that the list of a person stays findable after the address was erased.
    let recipient = recipient.map(|address| state.config.address_key.hash(&address));
    let filter = Filter { recipient, template, about, state: message_state, delivery_outcome };

    let mut tx = state.chassis.db.begin_list().await?;
    let mut messages = messages::list(&mut tx, &filter, &page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut messages, |message| message.place);
    Ok(ListMessagesResponse {
        messages: messages.into_iter().filter_map(|message| message.row).map(proto::Message::from).collect(),
        next_page_token,
    })
}

/// A valid request.
struct Query {
    recipient: Option<Email>,
    template: Option<TemplateName>,
    about: Option<About>,
    state: Option<State>,
    delivery_outcome: Option<DeliveryOutcome>,
    page: Page,
}

impl TryFrom<ListMessagesRequest> for Query {
    type Error = Invalid;

    fn try_from(request: ListMessagesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = filter(&mut violations, "recipient", &request.recipient, "a mail address");
        let template = filter(&mut violations, "template", &request.template, TemplateName::EXPECTED);
        let about = filter(&mut violations, "about", &request.about, About::EXPECTED);
        let state = state_filter(&mut violations, request.state);
        let delivery_outcome = outcome_filter(&mut violations, request.delivery_outcome);
        let page = Page::parse(&mut violations, &request);
        violations.finish(page.map(|page| Self { recipient, template, about, state, delivery_outcome, page }))
    }
}

/// What to filter by. None where the field is empty, or with a violation noted.
fn filter<T: FromStr>(violations: &mut Violations, field: &str, text: &str, expected: &str) -> Option<T> {
    if text.is_empty() { None } else { violations.parse(field, text, expected) }
}

/// The same for the state, whose empty value is `STATE_UNSPECIFIED`.
fn state_filter(violations: &mut Violations, state: i32) -> Option<State> {
    match proto::message::State::try_from(state) {
        Ok(proto::message::State::Unspecified) => None,
        Ok(proto::message::State::Pending) => Some(State::Pending),
        Ok(proto::message::State::Sent) => Some(State::Sent),
        Ok(proto::message::State::Failed) => Some(State::Failed),
        Ok(proto::message::State::InDoubt) => Some(State::InDoubt),
        Err(_) => {
            violations.add("state", "expected a state of messages");
            None
        }
    }
}

/// The same for the delivery's outcome.
fn outcome_filter(violations: &mut Violations, outcome: i32) -> Option<DeliveryOutcome> {
    match proto::DeliveryOutcome::try_from(outcome) {
        Ok(proto::DeliveryOutcome::Unspecified) => None,
        Ok(known) => {
            DeliveryOutcome::ALL.into_iter().find(|outcome| proto::DeliveryOutcome::from(*outcome) == known)
        }
        Err(_) => {
            violations.add("delivery_outcome", "expected an outcome of deliveries");
            None
        }
    }
}
