//! A message's life: asked for, handed to a provider, settled for good, or in doubt until a person settles it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{email::Email, request::Field, service_error, typed_id, wire_enum};

use super::{
    delivery::{Attempt, is_open_still},
    report::DeliveryOutcome,
};

typed_id!(pub MessageId, "a message");

wire_enum! {
    /// Where a message stands.
    pub enum State: wire::message::State {
        /// Stored, to be handed to the provider.
        Pending = "PENDING",
        /// The provider took it.
        Sent = "SENT",
        /// It will never be sent.
        Failed = "FAILED",
        /// It may have been sent, and nothing here can tell.
        InDoubt = "IN_DOUBT",
    }
}

/// What a provider gives in return for a mail: the evidence that it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which provider: `mailbox`, `resend`.
    pub provider: String,
    /// The provider's id for the mail.
    pub provider_message_id: String,
}

/// What became of a message. There is no way to say "sent" without the evidence, "failed" without the reason, or "in
/// doubt" without saying why.
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
    /// Nobody knows: it is not handed over again unless a person says so.
    InDoubt {
        /// Why, in words for operators; nothing personal.
        doubt: String,
    },
}

/// What a person says who has looked at the provider's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The provider has it, under this id.
    Sent(ProviderMessageId),
    /// It is to be sent again, under a new key.
    SendAgain,
    /// It is not to be sent any more.
    Abandoned,
}

/// A provider's id for a mail, as a person copies it from the provider's list: visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMessageId(String);

impl Field for ProviderMessageId {
    const EXPECTED: &'static str = "the provider's id for the mail, up to 200 visible ASCII characters";
}

/// The text is not such an id.
#[derive(Debug, thiserror::Error)]
#[error("not a provider's id for a mail")]
pub struct NotAProviderMessageId;

impl FromStr for ProviderMessageId {
    type Err = NotAProviderMessageId;

    fn from_str(text: &str) -> Result<Self, NotAProviderMessageId> {
        let sound = (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if sound { Ok(Self(text.to_owned())) } else { Err(NotAProviderMessageId) }
    }
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
    /// What became of it; none while it is pending.
    pub outcome: Option<Outcome>,
    /// How often a person has said "send it again", and one.
    pub round: i32,
    /// When it was asked for.
    pub create_time: DateTime<Utc>,
    /// The gravest that its provider said became of it, and when; only of a message that is sent.
    pub delivery_outcome: Option<(DeliveryOutcome, DateTime<Utc>)>,
}

impl Message {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.outcome {
            None => State::Pending,
            Some(Outcome::Sent { .. }) => State::Sent,
            Some(Outcome::Failed { .. }) => State::Failed,
            Some(Outcome::InDoubt { .. }) => State::InDoubt,
        }
    }

    /// Settles the message, and gives what is to be written down. None where it was settled before: then it stays as it
    /// is, whatever a late or second answer of a provider says. Only evidence that comes late ends a doubt.
    pub fn settle(&mut self, outcome: Outcome) -> Option<&Outcome> {
        match (&self.outcome, &outcome) {
            (None, _) | (Some(Outcome::InDoubt { .. }), Outcome::Sent { .. }) => {
                Some(self.outcome.insert(outcome))
            }
            (Some(_), _) => None,
        }
    }

    /// Takes up a message again that failed only because its delivery was given up, after these attempts of its round: that
    /// delivery was replayed. False where it failed for good.
    pub fn take_up_again(&mut self, attempts: &[Attempt]) -> bool {
        let may_be = self.state() == State::Failed && self.recipient.is_some() && is_open_still(attempts);
        if may_be {
            self.outcome = None;
        }
        may_be
    }

    /// Does what a person says about a message in doubt; `provider` is who may have it.
    pub fn resolve(
        &mut self,
        resolution: Resolution,
        provider: String,
        now: DateTime<Utc>,
    ) -> Result<(), NotInDoubt> {
        if self.state() != State::InDoubt {
            return Err(NotInDoubt);
        }
        self.outcome = match resolution {
            Resolution::Sent(ProviderMessageId(provider_message_id)) => {
                Some(Outcome::Sent { receipt: Receipt { provider, provider_message_id }, send_time: now })
            }
            Resolution::SendAgain => {
                self.round += 1;
                None
            }
            Resolution::Abandoned => {
                Some(Outcome::Failed { failure: "given up by a person while it was in doubt".to_owned() })
            }
        };
        Ok(())
    }

    /// Puts a message that has failed back to be sent, in a new round: the caller has looked at why it failed.
    pub fn resend(&mut self) -> Result<(), NotResendable> {
        if self.state() != State::Failed {
            return Err(NotResendable::NotFailed);
        }
        if self.recipient.is_none() {
            return Err(NotResendable::Erased(NoMail));
        }
        self.round += 1;
        self.outcome = None;
        Ok(())
    }

    /// The key under which a provider is to take the message once. A new round has a new one: it is a person's wish that
    /// there may be a second mail.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        if self.round == 1 { self.id.to_string() } else { format!("{}/{}", self.id, self.round) }
    }

    /// The mail that a provider is to take, or why there will never be one.
    pub fn to_mail(&self, body: Body) -> Result<Mail, NoMail> {
        let recipient = self.recipient.clone().ok_or(NoMail)?;
        let Body { sender, text, html } = body;
        let (key, subject) = (self.idempotency_key(), self.subject.clone());
        Ok(Mail { message_id: self.id, key, sender, recipient, subject, text, html })
    }
}

/// Only a message that is in doubt can be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the message is not in doubt")]
pub struct NotInDoubt;

service_error! {
    /// Only a message that has failed can be sent again, and only to somebody.
    #[derive(Debug, thiserror::Error)]
    pub enum NotResendable {
        /// It is sent, will be, or may have been.
        #[error("the message has not failed")]
        NotFailed => FailedPrecondition "MESSAGE_NOT_FAILED",
        /// Nobody is left.
        #[error(transparent)]
        Erased(NoMail) => FailedPrecondition "RECIPIENT_ERASED",
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
    /// Our id.
    pub message_id: MessageId,
    /// The idempotency key for the provider.
    pub key: String,
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
            round: 1,
            create_time: DateTime::UNIX_EPOCH,
            delivery_outcome: None,
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

    fn doubt() -> Outcome {
        Outcome::InDoubt { doubt: "no answer".to_owned() }
    }

    #[test]
    fn only_evidence_ends_a_doubt_without_a_person() {
        let receipt = Receipt { provider: "resend".to_owned(), provider_message_id: "1".to_owned() };
        let sent = Outcome::Sent { receipt, send_time: DateTime::UNIX_EPOCH };
        let mut message = message(None);
        assert!(message.settle(doubt()).is_some());
        assert_eq!(message.state(), State::InDoubt);
        assert_eq!(message.settle(Outcome::Failed { failure: "refused".to_owned() }), None);
        assert_eq!(message.settle(doubt()), None);
        assert_eq!(message.settle(sent.clone()), Some(&sent));
        assert_eq!(message.settle(doubt()), None);
    }

    #[test]
    fn a_person_ends_a_doubt_and_nothing_else() {
        let id = || "em_1".parse().expect("an id");
        for (resolution, state, round) in [
            (Resolution::Sent(id()), State::Sent, 1),
            (Resolution::SendAgain, State::Pending, 2),
            (Resolution::Abandoned, State::Failed, 1),
        ] {
            let resolve = |message: &mut Message| {
                message.resolve(resolution.clone(), "resend".to_owned(), DateTime::UNIX_EPOCH).is_ok()
            };
            let mut message = message(None);
            assert!(!resolve(&mut message), "it is pending");
            message.settle(doubt());
            assert!(resolve(&mut message));
            assert_eq!((message.state(), message.round), (state, round));
            assert!(!resolve(&mut message), "it was resolved");
        }
    }

    #[test]
    fn only_a_message_that_was_given_up_is_taken_up_again() {
        let failed = || Some(Outcome::Failed { failure: "given up".to_owned() });
        let mut message = Message { outcome: failed(), ..message(Some("ada@example.com")) };
        assert!(message.take_up_again(&[]));
        assert_eq!(message.state(), State::Pending);
        assert!(!message.take_up_again(&[]), "it is pending");
        let mut erased = Message { outcome: failed(), recipient: None, ..message };
        assert!(!erased.take_up_again(&[]), "there is nobody to send it to");
    }

    #[test]
    fn only_a_message_that_has_failed_is_sent_again_and_only_to_somebody() {
        let failed = || Some(Outcome::Failed { failure: "refused".to_owned() });
        let mut message = Message { outcome: failed(), ..message(Some("ada@example.com")) };
        assert!(message.resend().is_ok());
        assert_eq!((message.state(), message.round), (State::Pending, 2));
        assert!(matches!(message.resend(), Err(NotResendable::NotFailed)), "it is pending");
        message.settle(doubt());
        assert!(matches!(message.resend(), Err(NotResendable::NotFailed)), "it may have been sent");
        let mut erased = Message { outcome: failed(), recipient: None, ..message };
        assert!(matches!(erased.resend(), Err(NotResendable::Erased(_))));
        assert_eq!(erased.state(), State::Failed);
    }

    #[test]
    fn each_round_has_a_key_of_its_own() {
        let mut message = message(None);
        let id = message.id.to_string();
        assert_eq!(message.idempotency_key(), id);
        message.round = 2;
        assert_eq!(message.idempotency_key(), format!("{id}/2"));
    }

    #[test]
    fn a_message_to_an_erased_person_is_no_mail() {
        assert!(message(Some("ada@example.com")).to_mail(body()).is_ok());
        assert!(message(None).to_mail(body()).is_err());
    }
}
