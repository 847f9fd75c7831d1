//! A ticket: the work item of a person of support.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{context::Scope, email::Email, timestamp, typed_id, wire_enum};

use super::{
    business_hours::BusinessHours,
    conversation::ConversationId,
    mail_token::MailToken,
    plan::Plan,
    stopwatch::Stopwatch,
    ticket_state::{Action, IllegalMove, State},
    turn::HandOffReason,
};

typed_id!(pub(crate) TicketId, "a ticket");
typed_id!(pub(crate) MessageId, "a message");

wire_enum! {
    /// How a ticket came about.
    pub(crate) enum Origin: wire::ticket::Origin {
        /// A conversation went to a person.
        Conversation = "CONVERSATION",
        /// The customer wrote it.
        Customer = "CUSTOMER",
        /// The customer answered by mail to a ticket that was closed.
        Mail = "MAIL",
        /// A complaint.
        Complaint = "COMPLAINT",
    }
}

wire_enum! {
    /// Who wrote a message.
    pub(crate) enum Party: wire::ticket_message::Party {
        /// The customer.
        Customer = "CUSTOMER",
        /// Staff.
        Staff = "STAFF",
        /// The assistant, in the conversation before the ticket.
        Assistant = "ASSISTANT",
        /// A person who wrote from another address.
        Other = "OTHER",
    }
}

/// A solved ticket is closed after this time.
pub(crate) const SOLVED_FOR: TimeDelta = TimeDelta::days(7);

/// The number of a ticket, as customers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) i64);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LQ-{}", self.0)
    }
}

/// The customer of a ticket or a conversation, as far as we know.
#[derive(Clone, Default)]
pub(crate) struct Customer {
    /// The id at the identity provider. `None` for a visitor.
    pub(crate) sub: Option<String>,
    pub(crate) email: Option<Email>,
    pub(crate) name: String,
    /// Whether the identity provider has verified the address for this person.
    pub(crate) verified: bool,
}

/// So many tickets and complaints of an address that its owner did not prove are confirmed by mail within a day. Another person may have
/// typed the address.
pub(crate) const MOST_CONFIRMATIONS: i64 = 3;

/// A ticket.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) number: Number,
    pub(crate) customer: Customer,
    pub(crate) subject: String,
    pub(crate) state: State,
    pub(crate) plan: Plan,
    pub(crate) origin: Origin,
    pub(crate) hand_off_reason: Option<HandOffReason>,
    pub(crate) conversation_id: Option<ConversationId>,
    pub(crate) assignee: Option<String>,
    pub(crate) merged_into: Option<TicketId>,
    pub(crate) spam: bool,
    pub(crate) mail_token: MailToken,
    pub(crate) open_time: Stopwatch,
    pub(crate) first_reply_due_time: DateTime<Utc>,
    pub(crate) first_reply_time: Option<DateTime<Utc>>,
    pub(crate) overdue_time: Option<DateTime<Utc>>,
    pub(crate) solve_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// The two tickets cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only two different tickets of one customer can be merged, and the other ticket must not be closed")]
pub(crate) struct NotMergeable;

impl Ticket {
    /// Does something with the ticket.
    pub(crate) fn apply(
        &mut self,
        action: Action,
        now: DateTime<Utc>,
        hours: &BusinessHours,
    ) -> Result<(), IllegalMove> {
        self.state = self.state.after(action)?;
        self.open_time.set(self.state == State::Open, now, hours);
        self.update_time = now;
        match action {
            Action::StaffReply => self.first_reply_time = self.first_reply_time.or(Some(now)),
            Action::Solve => self.solve_time = Some(now),
            Action::CustomerReply | Action::Hold | Action::Reopen | Action::Close => {}
        }
        Ok(())
    }

    /// Closes the ticket because its messages moved to another one.
    pub(crate) fn merge_into(
        &mut self,
        other: &Self,
        now: DateTime<Utc>,
        hours: &BusinessHours,
    ) -> Result<(), MergeError> {
        let (own, others) = (&self.customer, &other.customer);
        let same_person = match (&own.sub, &others.sub) {
            (Some(sub), Some(of_other)) => sub == of_other,
            _ => own.email.is_some() && own.email == others.email,
        };
        if self.id == other.id || !same_person || other.state == State::Closed {
            return Err(NotMergeable.into());
        }
        self.apply(Action::Close, now, hours)?;
        self.merged_into = Some(other.id);
        Ok(())
    }

    /// The ticket as this caller may see it. Only staff see who works on it, and who the customer is at the identity provider.
    pub(crate) fn seen_by(&self, scope: &Scope, now: DateTime<Utc>, hours: &BusinessHours) -> wire::Ticket {
        let for_staff = |text: Option<&String>| text.filter(|_| scope.is_all()).cloned().unwrap_or_default();
        wire::Ticket {
            ticket_id: self.id.to_string(),
            number: self.number.to_string(),
            state: self.state.into(),
            subject: self.subject.clone(),
            customer_name: self.customer.name.clone(),
            customer_email: self
                .customer
                .email
                .as_ref()
                .map(|email| email.as_str().to_owned())
                .unwrap_or_default(),
            customer_verified: self.customer.verified,
            owner_sub: for_staff(self.customer.sub.as_ref()),
            plan: self.plan.into(),
            origin: self.origin.into(),
            hand_off_reason: self.hand_off_reason.map(Into::into).unwrap_or_default(),
            conversation_id: self.conversation_id.map(|id| id.to_string()).unwrap_or_default(),
            assignee: for_staff(self.assignee.as_ref()),
            merged_ticket_id: self.merged_into.map(|id| id.to_string()).unwrap_or_default(),
            spam: self.spam && scope.is_all(),
            first_reply_due_time: Some(timestamp(self.first_reply_due_time)),
            first_reply_time: self.first_reply_time.map(timestamp),
            open_business_s: self.open_time.read(now, hours).num_seconds(),
            solve_time: self.solve_time.map(timestamp),
            create_time: Some(timestamp(self.create_time)),
            update_time: Some(timestamp(self.update_time)),
        }
    }
}

/// Why tickets are not merged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    #[error(transparent)]
    NotMergeable(#[from] NotMergeable),
    #[error(transparent)]
    State(#[from] IllegalMove),
}

/// A message of a ticket, or a note.
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) party: Party,
    pub(crate) internal: bool,
    /// The address of a sender who is not the customer.
    pub(crate) sender_address: Option<String>,
    /// A program wrote it, it is our own mail, or too many mails came.
    pub(crate) not_read_as_reply: bool,
    pub(crate) body: String,
    pub(crate) create_time: DateTime<Utc>,
}

impl From<Message> for wire::TicketMessage {
    fn from(message: Message) -> Self {
        Self {
            message_id: message.id.to_string(),
            party: message.party.into(),
            internal: message.internal,
            text: message.body,
            create_time: Some(timestamp(message.create_time)),
            not_read_as_reply: message.not_read_as_reply,
            sender_address: message.sender_address.unwrap_or_default(),
            files: Vec::new(),
        }
    }
}
