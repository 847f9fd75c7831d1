//! A row of the table as it is stored.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, Listed, known, known_if_any};
use uuid::Uuid;

use crate::domain::{
    conversation::ConversationId,
    stopwatch::Stopwatch,
    ticket::{Customer, Number, Ticket, TicketId},
};

/// A row.
pub(super) struct Row {
    pub(super) ticket_id: Uuid,
    pub(super) number: i64,
    pub(super) owner_sub: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) customer_name: String,
    pub(super) customer_verified: bool,
    pub(super) subject: String,
    pub(super) state: String,
    pub(super) plan: String,
    pub(super) origin: String,
    pub(super) hand_off_reason: Option<String>,
    pub(super) conversation_id: Option<Uuid>,
    pub(super) assignee: Option<String>,
    pub(super) merged_ticket_id: Option<Uuid>,
    pub(super) spam: bool,
    pub(super) mail_token: String,
    pub(super) open_business_ms: i64,
    pub(super) open_since: Option<DateTime<Utc>>,
    pub(super) first_reply_due_time: DateTime<Utc>,
    pub(super) first_reply_time: Option<DateTime<Utc>>,
    pub(super) overdue_time: Option<DateTime<Utc>>,
    pub(super) solve_time: Option<DateTime<Utc>>,
    pub(super) create_time: DateTime<Utc>,
    pub(super) update_time: DateTime<Utc>,
}

impl Row {
    /// The row of a list.
    pub(super) fn listed(self) -> Listed<Ticket> {
        Listed::new("tickets", (self.create_time, self.ticket_id), Ticket::try_from(self))
    }
}

impl TryFrom<Row> for Ticket {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.ticket_id.into(),
            number: Number(row.number),
            customer: Customer {
                sub: row.owner_sub,
                email: known_if_any("customer_email", row.customer_email.as_deref())?,
                name: row.customer_name,
                verified: row.customer_verified,
            },
            subject: row.subject,
            state: known("state", &row.state)?,
            plan: known("plan", &row.plan)?,
            origin: known("origin", &row.origin)?,
            hand_off_reason: known_if_any("hand_off_reason", row.hand_off_reason.as_deref())?,
            conversation_id: row.conversation_id.map(ConversationId::from),
            assignee: row.assignee,
            merged_into: row.merged_ticket_id.map(TicketId::from),
            spam: row.spam,
            mail_token: known("mail_token", &row.mail_token)?,
            open_time: Stopwatch {
                counted: TimeDelta::milliseconds(row.open_business_ms),
                since: row.open_since,
            },
            first_reply_due_time: row.first_reply_due_time,
            first_reply_time: row.first_reply_time,
            overdue_time: row.overdue_time,
            solve_time: row.solve_time,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
