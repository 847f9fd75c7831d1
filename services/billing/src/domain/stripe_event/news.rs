//! Whether a fact is news. A version that handles more types takes up the events that an older version ignored. They may be old,
//! and customers get no mails about the past.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a fact is news. A pending event is quarantined after this time, so an event that is older was ignored until now.
const NEWS_FOR: TimeDelta = TimeDelta::days(3);

/// Whether the facts of an event are news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// All are news: the event was not ignored, or it was ignored for a short time only.
    All,
    /// The event was ignored before, and is processed at this instant. Only recent facts are news.
    Recent(DateTime<Utc>),
}

impl News {
    /// The news in an event that arrived at `receive_time`.
    pub(crate) fn of(taken_up: bool, receive_time: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        if taken_up && !Self::is_recent(receive_time, now) { Self::Recent(now) } else { Self::All }
    }

    /// Whether something of this time is recent.
    pub(crate) fn is_recent(time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - time < NEWS_FOR
    }

    /// Whether a fact of this time is news. If the time is not known, the event alone decides.
    pub(crate) fn includes(self, fact: Option<DateTime<Utc>>) -> bool {
        match self {
            Self::All => true,
            Self::Recent(now) => fact.is_some_and(|fact| Self::is_recent(fact, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_facts_of_events_that_were_ignored_are_no_news() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let (recent, old) = (now - TimeDelta::hours(71), now - TimeDelta::days(3));
        for (taken_up, receive_time, fact, expected) in [
            (false, recent, Some(old), true),
            // The event was quarantined, and is replayed.
            (false, old, Some(old), true),
            (false, old, None, true),
            // An older replica ignored it during an upgrade.
            (true, recent, Some(old), true),
            (true, recent, None, true),
            (true, old, Some(recent), true),
            (true, old, Some(old), false),
            (true, old, None, false),
        ] {
            let news = News::of(taken_up, receive_time, now);
            assert_eq!(news.includes(fact), expected, "{taken_up}, {receive_time}, {fact:?}");
        }
    }
}
