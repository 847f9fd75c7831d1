//! The hand-off of a conversation to a person: a ticket, and what happens next, in the transaction of the turn.

use levqor_runtime::db::Tx;

use crate::{
    Support,
    domain::{
        conversation::{Conversation, State},
        plan::Plan,
        reply,
        text::Subject,
        ticket::{Origin, Party, Ticket},
        ticket_state::State as TicketState,
        turn::{HandOffReason, Outcome, Turn},
    },
    error::Error,
    store::turns,
    tickets::{self, NewTicket},
};

/// How many turns before the hand-off the ticket shows.
const TURNS_SHOWN: i64 = 20;

/// Hands a locked conversation to a person. Sets the answer of the turn.
pub(crate) async fn hand_off(
    support: &Support,
    tx: &mut Tx,
    conversation: &mut Conversation,
    turn: &mut Turn,
    reason: HandOffReason,
    plan: Plan,
    assignee: Option<String>,
) -> Result<Ticket, Error> {
    let ticket = match live_ticket(tx, conversation).await? {
        Some(mut ticket) => {
            if !turn.customer_text.is_empty() {
                tickets::customer_replied(support, tx, &mut ticket, &turn.customer_text).await?;
            }
            ticket
        }
        None => open(support, tx, conversation, turn, reason, plan, assignee).await?,
    };
    conversation.state = State::WithPerson;
    conversation.ticket_id = Some(ticket.id);
    let now = tx.now().await?;
    turn.answer(Outcome::HandedOff, reply::handed_off(&ticket, reason, now, &support.hours));
    turn.hand_off_reason = Some(reason);
    Ok(ticket)
}

/// The ticket of a conversation, locked, unless it is closed.
pub(crate) async fn live_ticket(tx: &mut Tx, conversation: &Conversation) -> Result<Option<Ticket>, Error> {
    let Some(id) = conversation.ticket_id else { return Ok(None) };
    let ticket = tickets::lock_of_conversation(tx, id).await?;
    Ok(Some(ticket).filter(|ticket| ticket.state != TicketState::Closed))
}

/// Opens a ticket with the conversation so far.
async fn open(
    support: &Support,
    tx: &mut Tx,
    conversation: &Conversation,
    turn: &Turn,
    reason: HandOffReason,
    plan: Plan,
    assignee: Option<String>,
) -> Result<Ticket, Error> {
    let mut before = turns::last(tx, conversation.id, turn.position, TURNS_SHOWN).await?;
    before.reverse();
    let written = before.iter().chain([turn]).map(|turn| turn.customer_text.as_str());
    // The first message has the subject; the last one may only be "a person, please".
    let first = written.clone().find(|text| !text.is_empty()).unwrap_or_default();
    let subject = Subject::of_text(first);
    let new = NewTicket {
        customer: conversation.customer.clone(),
        subject: subject.as_str(),
        plan,
        origin: Origin::Conversation,
        hand_off_reason: Some(reason),
        conversation_id: Some(conversation.id),
        assignee,
    };
    let ticket = tickets::open(support, tx, new).await?;
    for turn in before.iter().chain([turn]) {
        let said = [(Party::Customer, &turn.customer_text), (Party::Assistant, &turn.reply)];
        // What this turn answers is not said yet.
        for (party, text) in said.into_iter().filter(|(_, text)| !text.is_empty()) {
            tickets::add_message(tx, &ticket, party, false, None, text).await?;
        }
    }
    Ok(ticket)
}
