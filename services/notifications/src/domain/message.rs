//! The life of a message. It is requested, then handed to a provider. It ends settled, or it is in doubt until a person resolves
//! it.

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
    /// The state of a message.
    pub enum State: wire::message::State {
        /// Stored, and not yet handed to the provider.
        Pending = "PENDING",
        /// The provider took it.
        Sent = "SENT",
        /// It will never be sent.
        Failed = "FAILED",
        /// The message may have been sent, and this service cannot find out.
        InDoubt = "IN_DOUBT",
    }
}

/// What a provider returns for a mail: the evidence that it took the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider: `mailbox` or `resend`.
    pub provider: String,
    /// The provider's id for the mail.
    pub provider_message_id: String,
}

/// The outcome of a message. The type forces evidence for "sent", and a reason for "failed" and "in doubt".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Sent {
        /// The evidence.
        receipt: Receipt,
        /// When the receipt was stored.
        send_time: DateTime<Utc>,
    },
    /// It will never be sent.
    Failed {
        /// Why, for operators, without personal data.
        failure: String,
    },
    /// Nobody knows whether it was sent. It is sent again only if a person says so.
    InDoubt {
        /// Why, for operators, without personal data.
        doubt: String,
    },
}

/// The decision of a person who has looked at the provider's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The provider has the message, under this id.
    Sent(ProviderMessageId),
    /// Send the message again, under a new key.
    SendAgain,
    /// Do not send the message any more.
    Abandoned,
}

/// A provider's id for a mail, as a person copies it from the provider's list. It is visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMessageId(String);

impl Field for ProviderMessageId {
    const EXPECTED: &'static str = "the provider's id for the mail, up to 200 visible ASCII characters";
}

/// The text is not a provider's id for a mail.
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

/// A message without its body. It is personal, so it has no `Debug`.
pub struct Message {
    /// The id of the message.
    pub id: MessageId,
    /// The name of the template. It is text, not a `Template`, because messages outlive their templates.
    pub template: String,
    /// What the message is about.
    pub about: String,
    /// The recipient. None after the person was erased.
    pub recipient: Option<Email>,
    /// The rendered subject.
    pub subject: String,
    /// The outcome. None while the message is pending.
    pub outcome: Option<Outcome>,
    /// The number of the round. Each "send it again" of a person begins a new round; the first round is 1.
    pub round: i32,
    /// When the message was requested.
    pub create_time: DateTime<Utc>,
    /// The gravest delivery outcome that the provider reported, and its time. Only a sent message has one.
    pub delivery_outcome: Option<(DeliveryOutcome, DateTime<Utc>)>,
}

impl Message {
    /// The state of the message.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.outcome {
            None => State::Pending,
            Some(Outcome::Sent { .. }) => State::Sent,
            Some(Outcome::Failed { .. }) => State::Failed,
            Some(Outcome::InDoubt { .. }) => State::InDoubt,
        }
    }

    /// Settles the message and returns the outcome to store. Returns none if the message is already settled: a late or second
    /// answer of a provider changes nothing. Only late evidence ends a doubt.
    pub fn settle(&mut self, outcome: Outcome) -> Option<&Outcome> {
        match (&self.outcome, &outcome) {
            (None, _) | (Some(Outcome::InDoubt { .. }), Outcome::Sent { .. }) => {
                Some(self.outcome.insert(outcome))
            }
            (Some(_), _) => None,
        }
    }

    /// Makes the message pending again if it failed only because its delivery was given up, after these attempts of its round.
    /// Staff have then replayed that delivery. Returns false if the message failed for good.
    pub fn take_up_again(&mut self, attempts: &[Attempt]) -> bool {
        let may_be = self.state() == State::Failed && self.recipient.is_some() && is_open_still(attempts);
        if may_be {
            self.outcome = None;
        }
        may_be
    }

    /// Applies the decision of a person about a message in doubt. `provider` is the one that may have the message.
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

    /// Makes a failed message pending again, in a new round. The caller has checked why the message failed.
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

    /// The idempotency key for the provider, under which it takes the message once. Each round has a new key: with a new round a
    /// person accepts that there may be a second mail.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        if self.round == 1 { self.id.to_string() } else { format!("{}/{}", self.id, self.round) }
    }

    /// The mail for the provider, or why there can be none.
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
    /// Only a failed message that still has a recipient can be sent again.
    #[derive(Debug, thiserror::Error)]
    pub enum NotResendable {
        /// The message is sent, is pending, or is in doubt.
        #[error("the message has not failed")]
        NotFailed => FailedPrecondition "MESSAGE_NOT_FAILED",
        /// The recipient was erased.
        #[error(transparent)]
        Erased(NoMail) => FailedPrecondition "RECIPIENT_ERASED",
    }
}

/// The message has no recipient any more.
#[derive(Debug, thiserror::Error)]
#[error("the recipient was erased before the message was sent")]
pub struct NoMail;

/// The rendered message and its sender. It is personal, so it has no `Debug`.
pub struct Body {
    /// The sender: `Levqor <orders@levqor.ai>`.
    pub sender: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A message in the form that a provider takes. It is personal, so it has no `Debug`.
pub struct Mail {
    /// Our id of the message.
    pub message_id: MessageId,
    /// The idempotency key for the provider.
    pub key: String,
    /// The sender.
    pub sender: String,
    /// The recipient.
    pub recipient: Email,
    /// The subject, on one line.
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
