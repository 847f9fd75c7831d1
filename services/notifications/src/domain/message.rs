//! The life of a message. It is requested, then handed to a provider. It ends settled, or it is in doubt until a person resolves
//! it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{email::Email, request::Field, service_error, typed_id, wire_enum};

use super::{
    address::AddressHash,
    class::{Category, Class},
    delivery::{Attempt, is_open_still},
    header::Headers,
    report::DeliveryOutcome,
    suppression::SuppressionReason,
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
        /// It was not sent, because its recipient must not get mail of its class.
        Suppressed = "SUPPRESSED",
        /// It was not sent, because it is not wanted any more.
        Cancelled = "CANCELLED",
    }
}

/// A provider's answer to a mail: the evidence that it took the mail.
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
    /// It may or may not have been sent. It is sent again only if a person says so.
    InDoubt {
        /// Why, for operators, without personal data.
        doubt: String,
    },
    /// Its recipient must not get mail of its class.
    Suppressed {
        /// Why.
        reason: SuppressionReason,
    },
    /// The service that asked for it does not want it any more.
    Cancelled {
        /// The name that the service gave as the reason.
        reason: String,
    },
}

/// The guard of a message: the service that decides whether the message is still wanted, and the subject of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The service that asked for the message.
    pub service: String,
    /// The subject, as that service gave it.
    pub subject: String,
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

/// A provider's id for a mail, as the provider's list shows it. It is visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMessageId(String);

impl ProviderMessageId {
    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
    /// The reference of the message.
    pub about: String,
    /// The recipient. None after the person was erased.
    pub recipient: Option<Email>,
    /// The hash of the recipient's address.
    pub recipient_hash: AddressHash,
    /// Why the message may be sent.
    pub class: Class,
    /// What kind of thing the message is about.
    pub category: Category,
    /// The service that asked for the message.
    pub requested_by: String,
    /// The guard, if that service gave one.
    pub guard: Option<Guard>,
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
            Some(Outcome::Suppressed { .. }) => State::Suppressed,
            Some(Outcome::Cancelled { .. }) => State::Cancelled,
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

    /// Whether the message is in this round, and may still become sent by evidence. The provider's own events are evidence too.
    #[must_use]
    pub fn is_open_in(&self, round: i32) -> bool {
        let is_open = matches!(self.state(), State::Pending | State::InDoubt);
        is_open && self.round == round && self.recipient.is_some()
    }

    /// Makes the message pending again if it failed only because its delivery was given up, after these attempts of its round.
    /// Staff have then replayed that delivery. Returns false if the message failed permanently.
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

    /// Prepares to send the message again. A message that was not sent becomes pending again, in a new round. One that was sent
    /// stays as it is, and the caller makes a copy. The caller has checked why the message was not sent.
    pub fn resend(&mut self) -> Result<Resend, NotResendable> {
        let resend = match self.state() {
            State::Failed | State::Suppressed | State::Cancelled => Resend::NewRound,
            State::Sent => Resend::Copy,
            State::Pending | State::InDoubt => return Err(NotResendable::NotSettled),
        };
        if self.recipient.is_none() {
            return Err(NotResendable::Erased(NoMail));
        }
        if resend == Resend::NewRound {
            self.round += 1;
            self.outcome = None;
        }
        Ok(resend)
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
        let Body { sender, reply_to, headers, text, html } = body;
        let (key, subject) = (self.idempotency_key(), self.subject.clone());
        let (message_id, round) = (self.id, self.round);
        Ok(Mail { message_id, round, key, sender, reply_to, recipient, subject, headers, text, html })
    }
}

/// Only a message that is in doubt can be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the message is not in doubt")]
pub struct NotInDoubt;

/// How a message is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// As the same message, in a new round.
    NewRound,
    /// As a copy, which is a message of its own.
    Copy,
}

service_error! {
    /// Only a settled message that still has a recipient can be sent again.
    #[derive(Debug, thiserror::Error)]
    pub enum NotResendable {
        /// The message is pending or in doubt.
        #[error("the message is pending or in doubt")]
        NotSettled => FailedPrecondition "MESSAGE_NOT_SETTLED",
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
    /// Where replies go. None: to the sender.
    pub reply_to: Option<Email>,
    /// Further header lines.
    pub headers: Headers,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A message in the form that a provider takes. It is personal, so it has no `Debug`.
pub struct Mail {
    /// Our id of the message.
    pub message_id: MessageId,
    /// The round of the message.
    pub round: i32,
    /// The idempotency key for the provider.
    pub key: String,
    /// The sender.
    pub sender: String,
    /// Where replies go. None: to the sender.
    pub reply_to: Option<Email>,
    /// The recipient.
    pub recipient: Email,
    /// The subject, on one line.
    pub subject: String,
    /// Further header lines.
    pub headers: Headers,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

#[cfg(test)]
mod tests;
