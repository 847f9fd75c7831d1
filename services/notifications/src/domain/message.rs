//! A message's life: asked for, handed to a provider, settled for good.

use chrono::{DateTime, Utc};
use levqor_runtime::{email::Email, typed_id};

typed_id!(pub MessageId, "a message");

impl MessageId {
    /// What a request is told about the form.
    pub const EXPECTED: &str = "a message's id";
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Stored, to be handed to the provider.
    Pending,
    /// The provider took it.
    Sent,
    /// It will never be sent.
    Failed,
}

impl State {
    /// Its name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }
}

/// What a provider gives in return for a mail: the evidence that it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which provider: `mailbox`.
    pub provider: String,
    /// The provider's id for the mail.
    pub provider_message_id: String,
}

/// How a message ended. There is no way to say "sent" without the evidence, or "failed" without the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Sent {
        /// The evidence.
        receipt: Receipt,
        /// When the receipt was written down.
        send_time: DateTime<Utc>,
    },
    /// It will never be sent.
    Failed {
        /// Why, in words for operators; nothing personal.
        failure: String,
    },
}

/// A message without its body. Personal, so it has no `Debug`.
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The template's name. A text and no `Template`: messages outlive the templates that they were made with.
    pub template: String,
    /// What it is about.
    pub about: String,
    /// To whom; none once the person was erased.
    pub recipient: Option<Email>,
    /// The rendered subject.
    pub subject: String,
    /// How it ended; none while it is pending.
    pub outcome: Option<Outcome>,
    /// When it was asked for.
    pub create_time: DateTime<Utc>,
}

impl Message {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.outcome {
            None => State::Pending,
            Some(Outcome::Sent { .. }) => State::Sent,
            Some(Outcome::Failed { .. }) => State::Failed,
        }
    }

    /// Ends the message, and gives what is to be written down. None where it ended before: then it stays as it is,
    /// whatever a late or second answer of a provider says.
    pub fn settle(&mut self, outcome: Outcome) -> Option<&Outcome> {
        if self.outcome.is_some() { None } else { Some(self.outcome.insert(outcome)) }
    }

    /// The mail that a provider is to take, or why there will never be one.
    pub fn to_mail(&self, body: Body) -> Result<Mail, NoMail> {
        let recipient = self.recipient.clone().ok_or(NoMail)?;
        let Body { sender, text, html } = body;
        Ok(Mail { message_id: self.id, sender, recipient, subject: self.subject.clone(), text, html })
    }
}

/// There is nobody to send a message to.
#[derive(Debug, thiserror::Error)]
#[error("the recipient was erased before the message was sent")]
pub struct NoMail;

/// What was rendered, and under whose name. Personal, so it has no `Debug`.
pub struct Body {
    /// Who it comes from: `Levqor <orders@levqor.ai>`.
    pub sender: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A message as a provider takes it. Personal, so it has no `Debug`.
pub struct Mail {
    /// Our id, and the idempotency key for the provider.
    pub message_id: MessageId,
    /// Who it comes from.
    pub sender: String,
    /// To whom.
    pub recipient: Email,
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(recipient: Option<&str>) -> Message {
        Message {
            id: MessageId::new_at(DateTime::UNIX_EPOCH),
            template: "order_welcome".to_owned(),
            about: "order:1".to_owned(),
            recipient: recipient.map(|text| text.parse().expect("an address")),
            subject: "Welcome!".to_owned(),
            outcome: None,
            create_time: DateTime::UNIX_EPOCH,
        }
    }

    fn body() -> Body {
        Body { sender: "Levqor <orders@levqor.ai>".to_owned(), text: "t".to_owned(), html: "h".to_owned() }
    }

    #[test]
    fn a_message_ends_once() {
        let receipt = Receipt { provider: "mailbox".to_owned(), provider_message_id: "1".to_owned() };
        let sent = Outcome::Sent { receipt, send_time: DateTime::UNIX_EPOCH };
        let failed = Outcome::Failed { failure: "refused".to_owned() };

        let mut message = message(None);
        assert_eq!(message.state(), State::Pending);
        assert_eq!(message.settle(sent.clone()), Some(&sent));
        assert_eq!(message.state(), State::Sent);
        assert_eq!(message.settle(failed), None);
        assert_eq!(message.outcome, Some(sent));
    }

    #[test]
    fn a_message_to_an_erased_person_is_no_mail() {
        assert!(message(Some("ada@example.com")).to_mail(body()).is_ok());
        assert!(message(None).to_mail(body()).is_err());
    }
}
