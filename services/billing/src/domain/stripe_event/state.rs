//! How far an event's processing is, and what became of one try of it.

use levqor_proto_billing::v1 as wire;
use levqor_runtime::wire_enum;

use super::NotOurs;

wire_enum! {
    /// How far an event's processing is.
    pub(crate) enum State: wire::stripe_event::State {
        /// Stored, to be processed.
        Pending = "PENDING",
        /// Processed, whether or not anything followed.
        Processed = "PROCESSED",
        /// Ignored: of a type that nothing follows from in this version (one that handles it looks again), or not ours.
        Ignored = "IGNORED",
        /// Not understood; it waits for a fix and a replay.
        Quarantined = "QUARANTINED",
    }
}

/// What became of one try to process an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done, whether or not anything followed.
    Processed,
    /// Nothing follows from its type in this version.
    Ignored,
    /// It is not ours to act on.
    NotOurs(NotOurs),
    /// Not understood, or tried too often; the reason is for operators.
    Quarantined(String),
    /// To be tried again; the reason is for operators.
    Retry(String),
}

impl Verdict {
    /// A failure that may pass: to be tried again, unless this try, the `attempts + 1`st, was the last.
    pub(crate) fn failed(reason: &str, attempts: i32, most: i32) -> Self {
        if attempts + 1 < most {
            Self::Retry(reason.to_owned())
        } else {
            Self::Quarantined(format!("given up after {most} tries: {reason}"))
        }
    }

    /// Where the event then stands.
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

    /// Why the event is not ours, if that is why nothing followed.
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
