//! What stands between the process and whoever it tells: a bounded queue that never blocks, sent off in batches by a
//! thread of its own. A destination that is down, slow or refusing costs what does not fit the queue, and two lines.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc as blocking,
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

/// How long the first item of a batch waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How often a parcel that may go through later is sent.
const TRIES: u32 = 3;
/// How long nothing may be lost before it counts as mended.
const QUIET: Duration = Duration::from_secs(10);

/// Why a parcel was not taken. The text holds nothing of anybody's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether it may be taken later, and after how long.
    pub(super) retry: Option<Duration>,
}

/// Where a pipeline leads.
pub(super) trait Destination: Send + 'static {
    /// What is queued.
    type Item: Send + 'static;
    /// What is sent.
    type Parcel: Clone + Send;
    /// For the two lines.
    fn name(&self) -> &'static str;
    /// Items as they are sent, redacted.
    fn pack(&self, items: Vec<Self::Item>) -> Vec<Self::Parcel>;
    /// Sends.
    fn send(&mut self, parcel: Self::Parcel) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// The way in. Cheap to clone.
#[derive(Debug)]
pub(super) struct Queue<T>(Arc<Shared<T>>);

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<T> {
    items: Mutex<Vec<T>>,
    capacity: usize,
    batch: usize,
    /// Items that did not fit, since that was last told.
    dropped: AtomicU64,
    filled: Notify,
    flushes: mpsc::UnboundedSender<blocking::SyncSender<()>>,
    trouble: Mutex<Option<Trouble>>,
    tally: Tally,
}

/// What became of exports since the process began.
#[derive(Debug, Default)]
struct Tally {
    taken: AtomicU64,
    lost: AtomicU64,
    items_lost: AtomicU64,
}

/// The same, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Exports that were taken.
    pub(crate) taken: u64,
    /// Exports that were not, after the last try.
    pub(crate) lost: u64,
    /// Items that nobody has: of such exports, and those that did not fit the queue.
    pub(crate) items_lost: u64,
}

/// That, since when and how much is lost.
#[derive(Debug, Clone)]
struct Trouble {
    reason: String,
    last: Instant,
    dropped: u64,
    /// Whether anything was taken since.
    taken: bool,
}

impl<T> Queue<T> {
    /// Takes an item, or drops it where the queue is full. Never waits for the destination.
    pub(super) fn push(&self, item: T) {
        let shared = &self.0;
        let mut items = shared.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() >= shared.capacity {
            drop(items);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        items.push(item);
        let filled = items.len() == shared.batch;
        drop(items);
        // Woken once a batch, not once an item.
        if filled {
            shared.filled.notify_one();
        }
    }

    /// Takes what this makes, and does not have it made where there is no room for it.
    pub(super) fn push_with(&self, make: impl FnOnce() -> T) {
        let full = {
            let items = self.0.items.lock().unwrap_or_else(PoisonError::into_inner);
            items.len() >= self.0.capacity
        };
        if full {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.push(make());
        }
    }

    /// Takes an item where none waits already that says the same.
    pub(super) fn push_once(&self, item: T) {
        let mut items = self.0.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.is_empty() {
            items.push(item);
            drop(items);
            self.0.filled.notify_one();
        }
    }

    /// Asks for everything to be sent now; what is returned hears when that was tried.
    pub(super) fn flush(&self) -> blocking::Receiver<()> {
        let (done, told) = blocking::sync_channel(1);
        // Without a worker there is nobody to tell, and the receiver sees that at once.
        let _ = self.0.flushes.send(done);
        told
    }

    /// What is wrong at this moment, if something is.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map(|trouble| format!("failing: {}; {} lost", trouble.reason, trouble.dropped))
    }

    /// What became of exports so far.
    pub(super) fn counts(&self) -> Counts {
        let Tally { taken, lost, items_lost } = &self.0.tally;
        // What waits to be told of is lost already.
        let dropped = self.0.dropped.load(Ordering::Relaxed);
        Counts {
            taken: taken.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            items_lost: items_lost.load(Ordering::Relaxed) + dropped,
        }
    }
}

/// A queue of this capacity, and the worker that empties it.
pub(super) fn pipeline<D: Destination>(
    destination: D,
    capacity: usize,
    batch: usize,
) -> (Queue<D::Item>, Worker<D>) {
    let (flushes, asked) = mpsc::unbounded_channel();
    let shared = Shared {
        items: Mutex::new(Vec::new()),
        capacity,
        batch,
        dropped: AtomicU64::new(0),
        filled: Notify::new(),
        flushes,
        trouble: Mutex::new(None),
        tally: Tally::default(),
    };
    let queue = Queue(Arc::new(shared));
    (queue.clone(), Worker { queue, asked, destination })
}

/// Empties a queue.
pub(super) struct Worker<D: Destination> {
    queue: Queue<D::Item>,
    asked: mpsc::UnboundedReceiver<blocking::SyncSender<()>>,
    destination: D,
}

impl<D: Destination> Worker<D> {
    /// Works for as long as the process lives.
    pub(super) async fn run(mut self) {
        loop {
            let flush = tokio::select! {
                flush = self.asked.recv() => flush,
                () = self.queue.0.filled.notified() => None,
                () = tokio::time::sleep(DELAY) => None,
            };
            self.empty(flush.is_some()).await;
            self.judge();
            if let Some(done) = flush {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    /// Sends what is queued, in batches. On the way out each is tried once: there is no later.
    async fn empty(&mut self, last: bool) {
        let shared = Arc::clone(&self.queue.0);
        loop {
            let mut batch = {
                let mut items = shared.items.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *items)
            };
            if batch.is_empty() {
                return;
            }
            while !batch.is_empty() {
                let rest = batch.split_off(batch.len().min(shared.batch));
                let count = batch.len();
                for parcel in self.destination.pack(std::mem::replace(&mut batch, rest)) {
                    match self.deliver(parcel, last).await {
                        Ok(()) => self.taken(),
                        Err(refusal) => {
                            shared.tally.lost.fetch_add(1, Ordering::Relaxed);
                            self.lost(refusal.reason, u64::try_from(count).unwrap_or(u64::MAX));
                        }
                    }
                }
            }
            if !last {
                return;
            }
        }
    }

    async fn deliver(&mut self, parcel: D::Parcel, last: bool) -> Result<(), Refusal> {
        let mut tried = 1;
        loop {
            let refusal = match self.destination.send(parcel.clone()).await {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            let Some(pause) = refusal.retry.filter(|_| tried < TRIES && !last) else { return Err(refusal) };
            tried += 1;
            // Somebody who wants to leave does not wait for a better time.
            if tokio::time::timeout(pause, self.wanted()).await.is_ok() {
                return Err(refusal);
            }
        }
    }

    /// Ends when a flush is asked for, without taking the request.
    async fn wanted(&self) {
        while self.asked.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn taken(&self) {
        self.queue.0.tally.taken.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.queue.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = &mut *trouble {
            trouble.taken = true;
        }
    }

    /// Notes a loss, and tells of it where it is the first.
    fn lost(&self, reason: String, count: u64) {
        self.queue.0.tally.items_lost.fetch_add(count, Ordering::Relaxed);
        let mut trouble = self.queue.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = &mut *trouble {
            trouble.dropped += count;
            (trouble.last, trouble.taken) = (Instant::now(), false);
            trouble.reason = reason;
            return;
        }
        let exporter = self.destination.name();
        let told = reason.clone();
        *trouble = Some(Trouble { reason, last: Instant::now(), dropped: count, taken: false });
        drop(trouble);
        tracing::warn!(exporter, reason = told, "telemetry is lost until its receiver takes it again");
    }

    /// Tells when nothing was lost for a while.
    fn judge(&self) {
        let shared = &self.queue.0;
        let overflow = shared.dropped.swap(0, Ordering::Relaxed);
        if overflow > 0 {
            self.lost("more than fits the queue".to_owned(), overflow);
            return;
        }
        let mut trouble = shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mended) = trouble.take_if(|trouble| trouble.taken && trouble.last.elapsed() >= QUIET) else {
            return;
        };
        drop(trouble);
        let (exporter, dropped) = (self.destination.name(), mended.dropped);
        // As loud as the news of the loss: whoever heard that must hear this.
        tracing::warn!(exporter, dropped, "telemetry is taken again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what it is sent after so many refusals.
    struct Moody(Arc<AtomicU64>, Arc<Mutex<Vec<usize>>>);

    impl Destination for Moody {
        type Item = u8;
        type Parcel = Vec<u8>;

        fn name(&self) -> &'static str {
            "moody"
        }
        fn pack(&self, items: Vec<u8>) -> Vec<Vec<u8>> {
            vec![items]
        }
        async fn send(&mut self, parcel: Vec<u8>) -> Result<(), Refusal> {
            if self.0.load(Ordering::SeqCst) > 0 {
                self.0.fetch_sub(1, Ordering::SeqCst);
                return Err(Refusal { reason: "moody".to_owned(), retry: Some(Duration::from_millis(1)) });
            }
            self.1.lock().expect("taken").push(parcel.len());
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (queue, worker) = pipeline(Moody(Arc::default(), Arc::default()), 100, 10);
        (0..100_000).for_each(|_| queue.push(1));
        assert_eq!(queue.0.items.lock().expect("items").len(), 100);
        worker.judge();
        assert_eq!(queue.trouble().as_deref(), Some("failing: more than fits the queue; 99900 lost"));
        assert_eq!(queue.counts(), Counts { taken: 0, lost: 0, items_lost: 99_900 });
    }

    #[test]
    fn what_there_is_no_room_for_is_not_even_made() {
        let (queue, _worker) = pipeline(Moody(Arc::default(), Arc::default()), 2, 10);
        let made = AtomicU64::new(0);
        for _ in 0..5 {
            queue.push_with(|| u8::try_from(made.fetch_add(1, Ordering::SeqCst)).expect("few"));
        }
        assert_eq!((made.into_inner(), queue.counts().items_lost), (2, 3));
    }

    #[tokio::test]
    async fn a_flush_sends_all_that_is_queued_in_batches() {
        let taken = Arc::default();
        let (queue, worker) = pipeline(Moody(Arc::default(), Arc::clone(&taken)), 100, 10);
        (0..25).for_each(|_| queue.push(1));
        let flushed = queue.flush();
        tokio::select! {
            () = worker.run() => {}
            told = tokio::task::spawn_blocking(move || flushed.recv()) => told.expect("no panic").expect("told"),
        }
        assert_eq!(*taken.lock().expect("taken"), [10, 10, 5]);
    }

    #[tokio::test]
    async fn what_may_be_taken_later_is_sent_again_and_then_lost_in_the_open() {
        let (refusals, taken) = (Arc::new(AtomicU64::new(2)), Arc::default());
        let (queue, mut worker) = pipeline(Moody(Arc::clone(&refusals), Arc::clone(&taken)), 100, 10);
        queue.push(1);
        worker.empty(false).await;
        assert_eq!((taken.lock().expect("taken").len(), queue.trouble()), (1, None));
        refusals.store(3, Ordering::SeqCst);
        queue.push(1);
        worker.empty(false).await;
        assert_eq!(queue.trouble().as_deref(), Some("failing: moody; 1 lost"));
        assert_eq!(queue.counts(), Counts { taken: 1, lost: 1, items_lost: 1 });
    }
}
