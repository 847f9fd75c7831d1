//! Named places between two effects, where a test kills the process or makes it panic. The code exists only with the feature
//! `fail-points`, which only tests and the benchmark enable.

/// The point that kills the process in tests: its name, and after a colon the number of the pass that kills, if it is not the
/// first: `deferred.claimed:2`. With `=panic` at the end the task panics, and the process lives on.
pub const VARIABLE: &str = "FAIL_POINT";

/// A place between two effects. Each crate declares its own with [`fail_points!`](crate::fail_points).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailPoint {
    #[cfg(feature = "fail-points")]
    name: &'static str,
}

/// Declares the fail points of a crate: a constant for each, and `ALL`.
#[macro_export]
macro_rules! fail_points {
    ($($(#[doc = $meaning:literal])+ $point:ident = $name:literal,)+) => {
        $(
            $(#[doc = $meaning])+
            pub const $point: $crate::fail_point::FailPoint = $crate::fail_point::FailPoint::new($name);
        )+

        /// All fail points of the crate.
        pub const ALL: &[$crate::fail_point::FailPoint] = &[$($point),+];
    };
}

fail_points! {
    /// A deferred call is written, uncommitted.
    DEFERRED_WRITTEN = "deferred.written",
    /// An audit entry is written, uncommitted.
    AUDIT_APPENDED = "audit.appended",
    /// Deferred calls are leased; none was made.
    DEFERRED_CLAIMED = "deferred.claimed",
    /// The receiver of a deferred call has answered; the call is not settled.
    DEFERRED_CALLED = "deferred.called",
    /// A failed deferred call is set to retry.
    DEFERRED_PUT_OFF = "deferred.put_off",
    /// A deferred call is settled.
    DEFERRED_SETTLED = "deferred.settled",
    /// A key is claimed; its effect has not begun.
    IDEMPOTENCY_CLAIMED = "idempotency.claimed",
    /// An answer is remembered with its effect, uncommitted.
    IDEMPOTENCY_REMEMBERED = "idempotency.remembered",
    /// A batch of bodies of journaled events is purged; more batches may follow.
    BODIES_PURGED = "bodies.purged",
    /// A slot of a schedule is taken, uncommitted, without its call.
    SCHEDULE_TAKEN = "schedule.taken",
    /// A slot of a schedule and its call are committed.
    SCHEDULE_DEFERRED = "schedule.deferred",
    /// Some rows of a person are erased and counted; more may follow.
    SUBJECT_BATCH_ERASED = "subject.batch_erased",
    /// All rows of a person are erased; the erasure is not complete, and what follows from it is not written.
    SUBJECT_ERASED = "subject.erased",
    /// The erasure of a person is complete in a service; compliance has no answer.
    SUBJECT_COMPLETED = "subject.completed",
}

impl FailPoint {
    /// Creates a fail point with this name.
    #[must_use]
    #[cfg_attr(not(feature = "fail-points"), expect(unused_variables, reason = "names are for tests only"))]
    pub const fn new(name: &'static str) -> Self {
        Self {
            #[cfg(feature = "fail-points")]
            name,
        }
    }

    /// Its name.
    #[cfg(feature = "fail-points")]
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Kills the process at once, without cleanup, or panics, if a test asked for it.
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

    /// The active point, and how many passes remain before it fires.
    pub(super) struct Armed {
        pub(super) name: String,
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
        let (name, time) = (Some(name).filter(|name| !name.is_empty())?.to_owned(), time.parse().ok()?);
        Some(Armed { name, left: AtomicU32::new(time), panics })
    }

    pub(super) fn reached(point: FailPoint) {
        if let Some(armed) = &*ARMED
            && armed.name == point.name()
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
            |text: &str| armed::read(text).map(|armed| (armed.name, armed.left.into_inner(), armed.panics));
        let named = |name: &str, time, panics| Some((name.to_owned(), time, panics));
        assert_eq!(read("deferred.claimed"), named("deferred.claimed", 1, false));
        assert_eq!(read("deferred.called:3"), named("deferred.called", 3, false));
        assert_eq!(read("schedule.taken=panic"), named("schedule.taken", 1, true));
        assert_eq!(read("deferred.called:2=panic"), named("deferred.called", 2, true));
        for unknown in ["", "deferred.claimed:", "deferred.claimed:x", "deferred.claimed=sleep"] {
            assert_eq!(read(unknown), None, "{unknown:?}");
        }
    }
}
