//! Requests a person for a conversation: opens a ticket, or continues the one that is open.

use levqor_proto_support::v1::{RequestPersonRequest, RequestPersonResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    conversations::{self, Known},
    domain::{
        conversation::{Conversation, ConversationId, State},
        reply,
        text::Name,
        ticket::Ticket,
        turn::{HandOffReason, Outcome, Turn},
    },
    error::Error,
    hand_off::{hand_off, live_ticket},
    store::{conversations::lock, conversations::update, tickets},
    ticket_mails,
    tickets::may_confirm,
};

pub(super) async fn request_person(
    support: &Support,
    ctx: Ctx,
    request: RequestPersonRequest,
) -> Result<RequestPersonResponse, Error> {
    let Command { id, name, email } = Command::try_from(&request)?;
    let claim = conversations::claim_of_customer(&ctx, &request.conversation_token);
    let known = Known::ask(support, &ctx).await?;
    mutate(support, &ctx, &request, async |tx| {
        let mut conversation = lock(tx, &claim, id).await?.ok_or(Error::ConversationNotFound)?;
        let counted = conversation.count_message();
        let is_new_address = introduce(&mut conversation, &name, email);
        let now = tx.now().await?;
        conversation.turn_count += 1;
        let mut turn = Turn::silent(conversation.turn_count, Outcome::Forwarded, String::new(), now);
        let live = live_ticket(tx, &conversation).await?;
        if let Some(mut ticket) = live.filter(|_| conversation.state == State::WithPerson) {
            counted?;
            if is_new_address {
                set_address(support, tx, &mut ticket, &conversation).await?;
            }
            turn.answer(Outcome::Forwarded, reply::waiting(&ticket, now, &support.hours));
        } else {
            // A conversation that has all its messages can still be handed to a person.
            let reason = HandOffReason::Asked;
            hand_off(support, tx, &mut conversation, &mut turn, reason, known.plan, None).await?;
        }
        conversations::save(support, tx, &mut conversation, &turn).await?;
        update(tx, &conversation).await?;
        let response = RequestPersonResponse {
            turn: Some(turn.to_wire(&support.config.site)),
            conversation: Some((&conversation).into()),
        };
        Ok(Done::unaudited(response, "conversations keep all that was said"))
    })
    .await
}

/// Sets the visitor's missing name and address. Returns whether the address is new.
fn introduce(conversation: &mut Conversation, name: &Name, email: Option<Email>) -> bool {
    let customer = &mut conversation.customer;
    if customer.name.is_empty() {
        name.as_str().clone_into(&mut customer.name);
    }
    let is_new = customer.email.is_none() && email.is_some();
    if is_new {
        customer.email = email;
    }
    is_new
}

/// Sets the address of a ticket that had none, and confirms the ticket by mail.
async fn set_address(
    support: &Support,
    tx: &mut levqor_runtime::db::Tx,
    ticket: &mut Ticket,
    conversation: &Conversation,
) -> Result<(), Error> {
    let customer = &conversation.customer;
    (ticket.customer.email, ticket.customer.name) = (customer.email.clone(), customer.name.clone());
    tickets::update(tx, ticket).await?;
    if may_confirm(tx, ticket).await? {
        ticket_mails::opened(tx, &support.config, ticket).await?;
    }
    Ok(())
}

/// The conversation, and who the visitor is.
struct Command {
    id: ConversationId,
    name: Name,
    email: Option<Email>,
}

impl TryFrom<&RequestPersonRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RequestPersonRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("conversation_id", &request.conversation_id);
        let name = violations.field("customer_name", &request.customer_name);
        let email = violations.filter("customer_email", &request.customer_email);
        violations.finish(id.zip(name).map(|(id, name)| Self { id, name, email }))
    }
}
