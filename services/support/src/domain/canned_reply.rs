//! A canned reply: a text of staff with placeholders, which are filled when a reply to a ticket uses it.

use chrono::{DateTime, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{
    error::{Invalid, Violations},
    timestamp, typed_id,
};

use super::{
    facts::Facts,
    text::{Subject, TicketText},
    ticket::Ticket,
};

typed_id!(pub(crate) CannedReplyId, "a canned reply");

/// The salutation of a customer without a name.
const NO_NAME: &str = "there";

/// A canned reply.
pub(crate) struct CannedReply {
    pub(crate) id: CannedReplyId,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// The values of the placeholders.
fn facts(number: &str, name: &str, plan: &str) -> Facts {
    let mut facts = Facts::default();
    facts.set("ticket.number", number);
    facts.set("customer.name", if name.trim().is_empty() { NO_NAME } else { name.trim() });
    facts.set("plan", plan);
    facts
}

impl CannedReply {
    /// The text for this ticket. None only if a placeholder is not known, which `Content` refuses.
    pub(crate) fn fill(&self, ticket: &Ticket) -> Option<String> {
        let number = ticket.number.to_string();
        facts(&number, &ticket.customer.name, ticket.plan.title()).fill(&self.text).ok()
    }
}

/// The name and the text of a request.
pub(crate) struct Content {
    pub(crate) name: Subject,
    pub(crate) text: TicketText,
}

impl Content {
    /// Reads them into the violations of their request.
    pub(crate) fn read(violations: &mut Violations, name: &str, text: &str) -> Option<Self> {
        let name = violations.field("name", name);
        let text: Option<TicketText> = violations.field("text", text);
        if text.as_ref().is_some_and(|text| facts("", "", "").fill(text.as_str()).is_err()) {
            violations.add(
                "text",
                "expected only {{ticket.number}}, {{customer.name}} and {{plan}} as placeholders",
            );
            return None;
        }
        name.zip(text).map(|(name, text)| Self { name, text })
    }

    /// Reads them from a request that has nothing else.
    pub(crate) fn of(name: &str, text: &str) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let content = Self::read(&mut violations, name, text);
        violations.finish(content)
    }
}

impl From<CannedReply> for wire::CannedReply {
    fn from(reply: CannedReply) -> Self {
        Self {
            canned_reply_id: reply.id.to_string(),
            name: reply.name,
            text: reply.text,
            create_time: Some(timestamp(reply.create_time)),
            update_time: Some(timestamp(reply.update_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_are_refused() {
        let filled =
            facts("LQ-1001", "Ada", "Growth").fill("{{customer.name}}: {{ ticket.number }} ({{plan}})");
        assert_eq!(filled.as_deref(), Ok("Ada: LQ-1001 (Growth)"));
        assert_eq!(facts("", " ", "").fill("Hello {{customer.name}}").as_deref(), Ok("Hello there"));
        for refused in ["{{customer.email}}", "{{plan", ""] {
            assert!(Content::of("A name", refused).is_err(), "{refused}");
        }
        assert!(Content::of("A name", "Hello {{customer.name}}").is_ok());
    }
}
