//! The steps of a ticket: its row, its messages, the mails and the notices, in one transaction.

use chrono::TimeDelta;
use levqor_runtime::{
    context::{Actor, Ctx, Role, Scope},
    db::{DbError, Tx},
};

use crate::{
    Support,
    domain::{
        conversation::ConversationId,
        mail_token::MailToken,
        plan::Plan,
        stopwatch::Stopwatch,
        ticket::{Customer, MOST_CONFIRMATIONS, Message, MessageId, Number, Origin, Party, Ticket, TicketId},
        ticket_state::{Action, State},
        turn::HandOffReason,
    },
    error::Error,
    metrics::Step,
    operators, randomness,
    store::{ticket_messages, tickets},
    surveys, ticket_mails,
};

/// The subject of a new ticket.
pub(crate) struct NewTicket<'a> {
    pub(crate) customer: Customer,
    pub(crate) subject: &'a str,
    pub(crate) plan: Plan,
    pub(crate) origin: Origin,
    pub(crate) hand_off_reason: Option<HandOffReason>,
    pub(crate) conversation_id: Option<ConversationId>,
    pub(crate) assignee: Option<String>,
}

/// Opens a ticket, and tells the customer and the operators.
pub(crate) async fn open(support: &Support, tx: &mut Tx, new: NewTicket<'_>) -> Result<Ticket, DbError> {
    let now = tx.now().await?;
    let mut ticket = Ticket {
        id: TicketId::new_at(now),
        number: Number(0),
        customer: new.customer,
        subject: new.subject.to_owned(),
        state: State::Open,
        plan: new.plan,
        origin: new.origin,
        hand_off_reason: new.hand_off_reason,
        conversation_id: new.conversation_id,
        assignee: new.assignee,
        merged_into: None,
        spam: false,
        mail_token: MailToken::new(randomness::bytes()?),
        open_time: Stopwatch::started(now),
        first_reply_due_time: support.hours.after(now, new.plan.first_reply()),
        first_reply_time: None,
        overdue_time: None,
        solve_time: None,
        create_time: now,
        update_time: now,
    };
    ticket.number = tickets::insert(tx, &ticket).await?;
    // A complaint has an acknowledgement of its own.
    if ticket.origin != Origin::Complaint && may_confirm(tx, &ticket).await? {
        ticket_mails::opened(tx, &support.config, &ticket).await?;
    }
    operators::opened(tx, &ticket).await?;
    support.count(tx, Step::Opened);
    Ok(ticket)
}

/// Whether a new ticket is confirmed by mail: anybody can type an address, so one that its owner did not prove is not mailed again and
/// again.
pub(crate) async fn may_confirm(tx: &mut Tx, ticket: &Ticket) -> Result<bool, DbError> {
    let Some(email) = ticket.customer.email.as_ref().filter(|_| !ticket.customer.verified) else {
        return Ok(true);
    };
    tickets::hold_address(tx, email).await?;
    let since = tx.now().await? - TimeDelta::days(1);
    // An older ticket, into which the address is typed only now, would not count among those of the day.
    let is_counted = ticket.create_time > since;
    Ok(is_counted && tickets::count_unproven(tx, email, ticket.id, since).await? < MOST_CONFIRMATIONS)
}

/// Adds a message to a ticket. Returns its id.
pub(crate) async fn add_message(
    tx: &mut Tx,
    ticket: &Ticket,
    party: Party,
    internal: bool,
    author: Option<&str>,
    text: &str,
) -> Result<MessageId, DbError> {
    let now = tx.now().await?;
    let message = Message {
        id: MessageId::new_at(now),
        party,
        internal,
        sender_address: None,
        not_read_as_reply: false,
        body: text.to_owned(),
        create_time: now,
    };
    ticket_messages::insert(tx, ticket.id, &message, author).await?;
    Ok(message.id)
}

/// The customer of a locked ticket wrote again.
pub(crate) async fn customer_replied(
    support: &Support,
    tx: &mut Tx,
    ticket: &mut Ticket,
    text: &str,
) -> Result<MessageId, Error> {
    ticket.apply(Action::CustomerReply, tx.now().await?, &support.hours)?;
    let message_id = add_message(tx, ticket, Party::Customer, false, None, text).await?;
    tickets::update(tx, ticket).await?;
    operators::written(tx, ticket, message_id).await?;
    Ok(message_id)
}

/// Staff replied to a locked ticket. The customer gets a mail.
pub(crate) async fn staff_replied(
    support: &Support,
    tx: &mut Tx,
    ticket: &mut Ticket,
    author: &str,
    text: &str,
) -> Result<(), Error> {
    ticket.apply(Action::StaffReply, tx.now().await?, &support.hours)?;
    let message_id = add_message(tx, ticket, Party::Staff, false, Some(author), text).await?;
    ticket_mails::replied(tx, &support.config, ticket, message_id, text).await?;
    operators::attended(tx, ticket).await?;
    tickets::update(tx, ticket).await?;
    support.count(tx, Step::Replied);
    Ok(())
}

/// Applies an action that has no message to a locked ticket.
pub(crate) async fn step(
    support: &Support,
    tx: &mut Tx,
    ticket: &mut Ticket,
    action: Action,
    by_staff: bool,
) -> Result<(), Error> {
    ticket.apply(action, tx.now().await?, &support.hours)?;
    match action {
        Action::Solve => {
            if by_staff {
                let survey = surveys::ask(tx, &support.config, ticket).await?;
                ticket_mails::solved(tx, &support.config, ticket, survey).await?;
            }
            operators::attended(tx, ticket).await?;
            support.count(tx, Step::Solved);
        }
        Action::Close => {
            operators::attended(tx, ticket).await?;
            support.count(tx, Step::Closed);
        }
        Action::Hold => operators::attended(tx, ticket).await?,
        Action::StaffReply | Action::CustomerReply | Action::Reopen => {}
    }
    tickets::update(tx, ticket).await?;
    Ok(())
}

/// Locks a ticket that the caller may see.
pub(crate) async fn lock(tx: &mut Tx, ctx: &Ctx, id: TicketId) -> Result<Ticket, Error> {
    tickets::lock(tx, &ctx.scope(), id).await?.ok_or(Error::TicketNotFound)
}

/// Locks the ticket of a conversation. The caller has checked the access to the conversation.
pub(crate) async fn lock_of_conversation(tx: &mut Tx, id: TicketId) -> Result<Ticket, Error> {
    tickets::lock(tx, &Scope::All, id).await?.ok_or(Error::TicketNotFound)
}

/// The member of staff who calls. `None` for a customer.
pub(crate) fn staff(ctx: &Ctx) -> Option<&str> {
    match &ctx.actor {
        Actor::User(user) if user.role >= Role::Staff => Some(&user.sub),
        Actor::User(_) | Actor::Anonymous | Actor::Service(_) => None,
    }
}

/// The caller as the customer of a ticket or a conversation.
pub(crate) fn customer(ctx: &Ctx, name: &str) -> Customer {
    let mut customer = Customer { name: name.to_owned(), ..Customer::default() };
    if let Actor::User(user) = &ctx.actor {
        customer.sub = Some(user.sub.clone());
        customer.email = user.email.clone().filter(|email| user.email_verified && email.may_claim());
        customer.verified = customer.email.is_some();
    }
    customer
}
