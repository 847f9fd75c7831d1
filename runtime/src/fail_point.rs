//! Named places between two effects, at which a test has the process killed, or panic. Without the feature `fail-points`,
//! which only tests and the benchmark turn on, nothing of it is in the binary.

/// Which point kills the process, in tests: its name, and after a colon which time it is reached, where that is not the
/// first: `journal.claimed:2`. With `=panic` at its end, whoever reaches it panics, and the process lives on.
pub const VARIABLE: &str = "FAIL_POINT";

macro_rules! fail_points {
    ($($(#[doc = $meaning:literal])+ $point:ident = $name:literal,)+) => {
        /// A place between two effects. Tests say of each who is killed there, or do not compile.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FailPoint {
            $($(#[doc = $meaning])+ $point,)+
        }

        impl FailPoint {
            /// All there are, in the order of the path from a webhook to the mail.
            pub const ALL: &'static [Self] = &[$(Self::$point),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

fail_points! {
    /// The gateway has read a webhook; nobody else knows of it.
    WebhookReceived = "webhook.received",
    /// Events were gathered for one statement; none is stored.
    JournalGathered = "journal.gathered",
    /// Events are stored; the callers do not know.
    JournalStored = "journal.stored",
    /// The gateway was told that the event is stored; Stripe was not.
    WebhookStored = "webhook.stored",
    /// What an older version laid aside was taken up; nothing else of the claim is done.
    JournalTakenUp = "journal.taken_up",
    /// What nothing follows from was laid aside; nothing else of the claim is done.
    JournalLaidAside = "journal.laid_aside",
    /// Keys are leased; nothing of them is loaded.
    JournalClaimed = "journal.claimed",
    /// After a lapse: the try of one event is counted; it has not begun.
    JournalCharged = "journal.charged",
    /// Stripe was asked; nothing is written.
    JournalFetched = "journal.fetched",
    /// The order's row is written, uncommitted, without its mails.
    OrderWritten = "order.written",
    /// One of the order's two mails is deferred, uncommitted.
    OrderHalfDeferred = "order.half_deferred",
    /// A deferred call is written, uncommitted.
    DeferredWritten = "deferred.written",
    /// An audit entry is written, uncommitted.
    AuditAppended = "audit.appended",
    /// All that follows from events is written; nothing is committed.
    JournalJudged = "journal.judged",
    /// All that follows from events is committed; nobody was told or woken.
    JournalApplied = "journal.applied",
    /// After a lapse: one event is settled alone; its key is still leased.
    JournalServedAlone = "journal.served_alone",
    /// Deferred calls are leased; none is made.
    DeferredClaimed = "deferred.claimed",
    /// The receiver of a deferred call has answered; the call is not settled.
    DeferredCalled = "deferred.called",
    /// A deferred call that failed is put off.
    DeferredPutOff = "deferred.put_off",
    /// A deferred call is settled.
    DeferredSettled = "deferred.settled",
    /// A key is claimed; its effect has not begun.
    IdempotencyClaimed = "idempotency.claimed",
    /// A message is written, uncommitted, without its delivery.
    MessageWritten = "message.written",
    /// An answer is remembered with its effect, uncommitted.
    IdempotencyRemembered = "idempotency.remembered",
    /// A message and its delivery are committed; the caller does not know.
    MessageStored = "message.stored",
    /// An attempt is written down; the mail provider is not called.
    MessageAttempted = "message.attempted",
    /// The mail provider has answered; nothing of it is written down.
    MessageAnswered = "message.answered",
    /// What came of the attempt is written, uncommitted, and of its message nothing.
    MessageAttemptEnded = "message.attempt_ended",
    /// What came of an attempt and of its message is committed; the caller does not know.
    MessageSettled = "message.settled",
    /// A message is in doubt; the caller does not know.
    MessageDoubted = "message.doubted",
    /// A doubt is resolved; the caller does not know.
    MessageResolved = "message.resolved",
    /// What the mail provider told is stored with its deferred call; the caller does not know.
    ProviderEventStored = "provider_event.stored",
    /// What the mail provider told is added to its message; the caller does not know.
    ProviderEventApplied = "provider_event.applied",
    /// An event is pending again; nobody was told or woken.
    ReplayCommitted = "replay.committed",
    /// A batch of bodies is purged; others may be left.
    BodiesPurged = "bodies.purged",
    /// A slot of a schedule is taken, uncommitted, without its call.
    ScheduleTaken = "schedule.taken",
    /// A slot of a schedule and its call are committed.
    ScheduleDeferred = "schedule.deferred",
}

impl FailPoint {
    /// Ends the process here and now, without any cleaning up, or panics, if a test asked for it.
    #[inline]
    pub fn reached(self) {
        #[cfg(feature = "fail-points")]
        armed::reached(self);
    }
}

#[cfg(feature = "fail-points")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use super::{FailPoint, VARIABLE};
    use crate::config::Env;

    /// The point that kills, and how often it is still to be reached.
    pub(super) struct Armed {
        pub(super) point: FailPoint,
        pub(super) left: AtomicU32,
        pub(super) panics: bool,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| read(Env::from_process().get(VARIABLE)?));

    pub(super) fn read(text: &str) -> Option<Armed> {
        let (text, action) = text.split_once('=').unwrap_or((text, ""));
        let (name, time) = text.split_once(':').unwrap_or((text, "1"));
        let panics = match action {
            "" => false,
            "panic" => true,
            _ => return None,
        };
        let point = FailPoint::ALL.iter().copied().find(|point| point.name() == name)?;
        Some(Armed { point, left: AtomicU32::new(time.parse().ok()?), panics })
    }

    pub(super) fn reached(point: FailPoint) {
        if let Some(armed) = &*ARMED
            && armed.point == point
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            assert!(!armed.panics, "a test has this panic, at {}", point.name());
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[cfg(all(test, feature = "fail-points"))]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_the_time_at_which_it_kills() {
        let read =
            |text: &str| armed::read(text).map(|armed| (armed.point, armed.left.into_inner(), armed.panics));
        assert_eq!(read("journal.claimed"), Some((FailPoint::JournalClaimed, 1, false)));
        assert_eq!(read("deferred.called:3"), Some((FailPoint::DeferredCalled, 3, false)));
        assert_eq!(read("replay.committed=panic"), Some((FailPoint::ReplayCommitted, 1, true)));
        assert_eq!(read("deferred.called:2=panic"), Some((FailPoint::DeferredCalled, 2, true)));
        for unknown in ["", "journal", "journal.claimed:", "journal.claimed:x", "journal.claimed=sleep"] {
            assert_eq!(read(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = FailPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), FailPoint::ALL.len());
    }
}
