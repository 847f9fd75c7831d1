//! Log lines that a flood of requests would multiply: one line per period, with a count.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use crate::tasks::Tasks;

/// The most keys that are kept apart. Further keys are summed together.
const MOST_KEYS: usize = 1024;

/// Sums events. The first event of a key writes a line at once. The events in the period after it are written together when the
/// period ends, and another period begins. Cheap to clone.
pub struct Summed<K>(Arc<Inner<K>>);

impl<K> Clone for Summed<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<K> {
    period: Duration,
    write: Write<K>,
    open: Mutex<HashMap<Option<K>, Period>>,
    /// Separate from the tasks that a drain waits for.
    tasks: Tasks,
}

/// Writes a line from the key (none where keys are summed together), the last reason, and the count.
type Write<K> = Box<dyn Fn(Option<&K>, &'static str, u64) + Send + Sync>;

/// The events since the last line.
struct Period {
    count: u64,
    reason: &'static str,
    begun: Instant,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Summed<K> {
    /// Writes at most one line per key and period.
    #[must_use]
    pub fn new(period: Duration, write: fn(reason: &'static str, count: u64)) -> Self {
        Self::keyed(period, move |_, reason, count| write(reason, count))
    }

    /// The same, for lines that name the key.
    #[must_use]
    pub fn keyed(
        period: Duration,
        write: impl Fn(Option<&K>, &'static str, u64) + Send + Sync + 'static,
    ) -> Self {
        let write = Box::new(write);
        Self(Arc::new(Inner { period, write, open: Mutex::default(), tasks: Tasks::default() }))
    }

    /// Notes an event with this reason.
    pub fn note(&self, key: K, reason: &'static str) {
        if Handle::try_current().is_err() {
            // Without a runtime no period can end.
            return (self.0.write)(Some(&key), reason, 1);
        }
        let mut open = self.0.open();
        let key =
            if open.len() < MOST_KEYS || open.contains_key(&Some(key.clone())) { Some(key) } else { None };
        if let Some(period) = open.get_mut(&key)
            // An overdue period belongs to a runtime that no longer exists.
            && period.begun.elapsed() <= self.0.period * 2
        {
            period.count += 1;
            period.reason = reason;
            return;
        }
        let before = open.insert(key.clone(), Period { count: 0, reason, begun: Instant::now() });
        drop(open);
        (self.0.write)(key.as_ref(), reason, 1 + before.map_or(0, |period| period.count));
        let summed = Arc::clone(&self.0);
        self.0.tasks.spawn(async move { summed.end_periods(key.as_ref()).await });
    }
}

impl<K: Hash + Eq + Clone> Inner<K> {
    fn open(&self) -> MutexGuard<'_, HashMap<Option<K>, Period>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the sum of each period, until a period had no events.
    async fn end_periods(&self, key: Option<&K>) {
        loop {
            sleep(self.period).await;
            let Some((reason, count)) = self.end_period(key) else { return };
            (self.write)(key, reason, count);
        }
    }

    /// The sum of the period. `None` if it had no events, which ends the sequence.
    fn end_period(&self, key: Option<&K>) -> Option<(&'static str, u64)> {
        let key = key.cloned();
        let mut open = self.open();
        let period = open.get_mut(&key)?;
        let (count, reason) = (period.count, period.reason);
        if count == 0 {
            open.remove(&key);
            return None;
        }
        (period.count, period.begun) = (0, Instant::now());
        Some((reason, count))
    }
}

/// Notes that a request or call was refused because this service is overloaded: one line per second.
pub fn shed(service: &'static str) {
    static SHED: LazyLock<Summed<&'static str>> = LazyLock::new(|| {
        Summed::new(Duration::from_secs(1), |service, count| {
            tracing::warn!(service, reason = "BUSY", count, "requests were shed");
        })
    });
    SHED.note(service, service);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::eventually;

    static WRITTEN: Mutex<Vec<(&'static str, u64)>> = Mutex::new(Vec::new());

    fn written() -> Vec<(&'static str, u64)> {
        std::mem::take(&mut *WRITTEN.lock().expect("unpoisoned"))
    }

    #[tokio::test]
    async fn a_flood_writes_one_line_a_period_and_the_counts_add_up() {
        let summed = Summed::new(Duration::from_secs(1), |reason, count| {
            WRITTEN.lock().expect("unpoisoned").push((reason, count));
        });
        for _ in 0..100 {
            summed.note(1, "A");
        }
        summed.note(2, "B");
        assert_eq!(written(), [("A", 1), ("B", 1)], "the first of each at once");
        let silent = || async { summed.0.open().is_empty().then_some(()) };
        eventually("both are silent for a period", silent).await;
        assert_eq!(written(), [("A", 99)], "the others together, and nothing of nothing");
        summed.note(1, "C");
        assert_eq!(written(), [("C", 1)], "after a silence the first at once");
        for key in 0..MOST_KEYS * 2 {
            summed.note(key, "D");
        }
        assert_eq!(written().len(), MOST_KEYS, "keys are bounded: all others are one");
    }
}
