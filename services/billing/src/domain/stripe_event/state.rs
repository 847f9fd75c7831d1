//! The state of an event, and the verdict on one attempt to process it.

use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

use super::NotOurs;

wire_enum! {
    /// The state of an event.
    pub(crate) enum State: wire::stripe_event::State {
        /// Stored, to be processed.
        Pending = "PENDING",
        /// Processed, with or without an effect.
        Processed = "PROCESSED",
        /// Ignored: this version does not handle the event's type, or the event is not ours. A version that handles the type
        /// processes it.
        Ignored = "IGNORED",
        /// Not understood. It waits for a fix and a replay.
        Quarantined = "QUARANTINED",
    }
}

/// The verdict on one attempt to process an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Processed, with or without an effect.
    Processed,
    /// This version does not handle the event's type.
    Ignored,
    /// The event is not ours.
    NotOurs(NotOurs),
    /// Not understood, or tried too often. The reason is for operators.
    Quarantined(String),
    /// To be tried again. The reason is for operators.
    Retry(String),
}

impl Verdict {
    /// A failure that may pass: retry, or quarantine if this attempt was the last. `attempts` counts the attempts before it.
    pub(crate) fn failed(reason: &str, attempts: i32, most: i32) -> Self {
        if attempts + 1 < most {
            Self::Retry(reason.to_owned())
        } else {
            Self::Quarantined(format!("given up after {most} tries: {reason}"))
        }
    }

    /// The event's state after the verdict.
    pub(crate) const fn state(&self) -> State {
        match self {
            Self::Processed => State::Processed,
            Self::Ignored | Self::NotOurs(_) => State::Ignored,
            Self::Quarantined(_) => State::Quarantined,
            Self::Retry(_) => State::Pending,
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Processed | Self::Ignored | Self::NotOurs(_) => None,
            Self::Quarantined(reason) | Self::Retry(reason) => Some(reason),
        }
    }

    /// Why the event is not ours, if that is the verdict.
    pub(crate) const fn not_ours(&self) -> Option<NotOurs> {
        match self {
            Self::NotOurs(reason) => Some(*reason),
            Self::Processed | Self::Ignored | Self::Quarantined(_) | Self::Retry(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failure_quarantines() {
        assert_eq!(Verdict::failed("no answer", 0, 3).state(), State::Pending);
        assert_eq!(Verdict::failed("no answer", 1, 3), Verdict::Retry("no answer".to_owned()));
        let given_up = Verdict::failed("no answer", 2, 3);
        assert_eq!(given_up.state(), State::Quarantined);
        assert_eq!(given_up.failure(), Some("given up after 3 tries: no answer"));
    }
}
