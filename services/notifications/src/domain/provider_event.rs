//! A journaled event of a mail provider: its state, and how long it waits for its message.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::message::MessageId;

typed_id!(pub ProviderEventId, "an event of a mail provider");

/// How long an event may wait for its message. The provider's receipt is stored within seconds, or with the next attempt of the
/// delivery. An event that waits longer is about a mail of another sender.
pub const WAIT: TimeDelta = TimeDelta::hours(1);

/// The provider's id for an event, from a header. It is visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId(String);

impl EventId {
    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not an event id.
#[derive(Debug, thiserror::Error)]
#[error("not a provider's id for an event")]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        let sound = (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if sound { Ok(Self(text.to_owned())) } else { Err(NotAnEventId) }
    }
}

wire_enum! {
    /// The state of an event.
    pub enum EventState: wire::provider_event::State {
        /// Stored, and not yet applied.
        Pending = "PENDING",
        /// No message has its provider id yet.
        AwaitingMessage = "AWAITING_MESSAGE",
        /// Applied to its message.
        Applied = "APPLIED",
        /// The event does not report a delivery.
        Ignored = "IGNORED",
        /// No message of ours has its provider id.
        Unmatched = "UNMATCHED",
        /// It cannot be understood, or it failed too often.
        Quarantined = "QUARANTINED",
    }
}

/// A journaled event without its body.
#[derive(Debug, Clone)]
pub struct ProviderEvent {
    /// Our id.
    pub id: ProviderEventId,
    /// The provider's id.
    pub event_id: String,
    /// The provider.
    pub provider: String,
    /// The provider's name for what happened. None if the body has no such name.
    pub event_type: Option<String>,
    /// The state.
    pub state: EventState,
    /// The provider's id for the mail that the event is about. None until the event is processed.
    pub provider_message_id: Option<String>,
    /// The message that the event was applied to.
    pub message_id: Option<MessageId>,
    /// Why it is quarantined.
    pub failure: Option<String>,
    /// When it happened, by the provider's clock. None until the event is processed.
    pub create_time: Option<DateTime<Utc>>,
    /// When it was stored.
    pub receive_time: DateTime<Utc>,
    /// When it was settled.
    pub settle_time: Option<DateTime<Utc>>,
}

impl ProviderEvent {
    /// Whether the event is done: an applied or ignored event never changes.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, EventState::Applied | EventState::Ignored)
    }

    /// When its wait for a message ends.
    #[must_use]
    pub fn waits_until(&self) -> DateTime<Utc> {
        self.receive_time + WAIT
    }

    /// The state of the event, given that no message has its provider id.
    #[must_use]
    pub fn without_message(&self, now: DateTime<Utc>) -> EventState {
        let waited = self.state == EventState::Unmatched || now >= self.waits_until();
        if waited { EventState::Unmatched } else { EventState::AwaitingMessage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(state: EventState) -> ProviderEvent {
        ProviderEvent {
            id: ProviderEventId::new_at(DateTime::UNIX_EPOCH),
            event_id: "msg_1".to_owned(),
            provider: "resend".to_owned(),
            event_type: None,
            state,
            provider_message_id: None,
            message_id: None,
            failure: None,
            create_time: None,
            receive_time: DateTime::UNIX_EPOCH,
            settle_time: None,
        }
    }

    #[test]
    fn an_event_waits_an_hour_for_its_message_and_never_again() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let pending = event(EventState::Pending);
        assert_eq!(pending.without_message(at(3599)), EventState::AwaitingMessage);
        assert_eq!(pending.without_message(at(3600)), EventState::Unmatched);
        assert_eq!(event(EventState::Unmatched).without_message(at(0)), EventState::Unmatched);
    }

    #[test]
    fn an_id_is_short_and_visible() {
        assert!("msg_2p1UuWmV6bQ3Zz".parse::<EventId>().is_ok());
        for text in ["", "a b", "a\n", "é", &"a".repeat(201)] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
