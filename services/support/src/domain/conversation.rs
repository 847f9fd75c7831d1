//! A conversation with the assistant.

use chrono::{DateTime, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{timestamp, typed_id, wire_enum};

use super::ticket::{Customer, TicketId};

typed_id!(pub(crate) ConversationId, "a conversation");

wire_enum! {
    /// Who answers.
    pub(crate) enum State: wire::conversation::State {
        /// The assistant.
        WithAssistant = "WITH_ASSISTANT",
        /// A person.
        WithPerson = "WITH_PERSON",
    }
}

/// The most messages of a customer in one conversation.
pub(crate) const MOST_MESSAGES: i32 = 1_000;

/// A conversation.
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) customer: Customer,
    pub(crate) state: State,
    pub(crate) ticket_id: Option<TicketId>,
    pub(crate) turn_count: i32,
    pub(crate) message_count: i32,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// The conversation has as many messages as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a conversation has at most 1,000 messages: begin a new one")]
pub(crate) struct Full;

impl Conversation {
    /// A new conversation of this customer.
    pub(crate) fn begin(customer: Customer, now: DateTime<Utc>) -> Self {
        Self {
            id: ConversationId::new_at(now),
            customer,
            state: State::WithAssistant,
            ticket_id: None,
            turn_count: 0,
            message_count: 0,
            create_time: now,
            update_time: now,
        }
    }

    /// Counts a message of the customer.
    pub(crate) fn count_message(&mut self) -> Result<(), Full> {
        if self.message_count >= MOST_MESSAGES {
            return Err(Full);
        }
        self.message_count += 1;
        Ok(())
    }
}

impl From<&Conversation> for wire::Conversation {
    fn from(conversation: &Conversation) -> Self {
        let customer = &conversation.customer;
        Self {
            conversation_id: conversation.id.to_string(),
            state: conversation.state.into(),
            customer_name: customer.name.clone(),
            customer_email: customer
                .email
                .as_ref()
                .map(|email| email.as_str().to_owned())
                .unwrap_or_default(),
            ticket_id: conversation.ticket_id.map(|id| id.to_string()).unwrap_or_default(),
            turn_count: conversation.turn_count,
            create_time: Some(timestamp(conversation.create_time)),
            update_time: Some(timestamp(conversation.update_time)),
        }
    }
}
