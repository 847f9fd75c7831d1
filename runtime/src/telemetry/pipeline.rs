//! Connects the process to a destination: a bounded queue that never blocks. A separate thread sends its items in batches. A
//! destination that is down, slow or refusing costs the items that do not fit the queue, and two log lines.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
/// The most attempts to send a parcel that may succeed later.
const TRIES: u32 = 3;
/// How long nothing may be lost before the destination counts as recovered.
const QUIET: Duration = Duration::from_secs(10);

/// Why a parcel was not taken. The text quotes nothing from the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether a retry makes sense, and after which pause.
    pub(super) retry: Option<Duration>,
}

/// The destination of a pipeline.
pub(super) trait Destination: Send + 'static {
    /// The type of queued items.
    type Item: Send + 'static;
    /// The type of a sent parcel.
    type Parcel: Clone + Send;
    /// The name in the two log lines.
    fn name(&self) -> &'static str;
    /// Packs items into redacted parcels.
    fn pack(&self, items: Vec<Self::Item>) -> Vec<Self::Parcel>;
    /// Sends a parcel.
    fn send(&mut self, parcel: Self::Parcel) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// The queue. Cheap to clone.
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
    /// Items that did not fit, since the last report.
    dropped: AtomicU64,
    filled: Notify,
    flushes: mpsc::UnboundedSender<blocking::SyncSender<()>>,
    state: Mutex<State>,
}

/// How the exports went since the process began.
#[derive(Debug, Default)]
struct State {
    counts: Counts,
    trouble: Option<Trouble>,
}

/// The export counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Exports that were taken.
    pub(crate) taken: u64,
    /// Exports that failed on the last attempt.
    pub(crate) lost: u64,
    /// Lost items: those of failed exports, and those that did not fit the queue.
    pub(crate) items_lost: u64,
}

/// A current loss: the latest reason, the time of the latest lost item, and how many items were lost.
#[derive(Debug)]
struct Trouble {
    reason: String,
    last: Instant,
    dropped: u64,
    /// Whether an export was taken since.
    taken: bool,
}

impl<T> Queue<T> {
    fn items(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an item, or drops it where the queue is full. Never waits for the destination.
    pub(super) fn push(&self, item: T) {
        let shared = &self.0;
        let mut items = self.items();
        if items.len() >= shared.capacity {
            drop(items);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        items.push(item);
        let filled = items.len() == shared.batch;
        drop(items);
        // Wakes the worker once per batch, not once per item.
        if filled {
            shared.filled.notify_one();
        }
    }

    /// Queues the item that `make` creates. Does not call `make` where the queue is full.
    pub(super) fn push_with(&self, make: impl FnOnce() -> T) {
        let full = self.items().len() >= self.0.capacity;
        if full {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.push(make());
        }
    }

    /// Queues an item, unless the queue holds one already.
    pub(super) fn push_once(&self, item: T) {
        let mut items = self.items();
        if items.is_empty() {
            items.push(item);
            drop(items);
            self.0.filled.notify_one();
        }
    }

    /// Requests a flush. The returned receiver gets a message after the flush was tried.
    pub(super) fn flush(&self) -> blocking::Receiver<()> {
        let (done, told) = blocking::sync_channel(1);
        // Without a worker the receiver fails at once.
        let _ = self.0.flushes.send(done);
        told
    }

    /// The current failure, if there is one.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state();
        state.trouble.as_ref().map(|trouble| format!("failing: {}; {} lost", trouble.reason, trouble.dropped))
    }

    /// The export counts until now.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.state().counts;
        // Drops that are not reported yet are already lost.
        counts.items_lost += self.0.dropped.load(Ordering::Relaxed);
        counts
    }
}

/// Creates a queue of this capacity, and the worker that empties it.
pub(super) fn pipeline<D: Destination>(
    destination: D,
    capacity: usize,
    batch: usize,
) -> (Queue<D::Item>, Worker<D>) {
    let (flushes, asked) = mpsc::unbounded_channel();
    let shared = Shared {
        items: Mutex::default(),
        capacity,
        batch,
        dropped: AtomicU64::new(0),
        filled: Notify::new(),
        flushes,
        state: Mutex::default(),
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
    /// Works for the life of the process.
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
                // The requester may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    /// Sends the queue in batches. On shutdown each batch is tried once, since there is no later.
    async fn empty(&mut self, last: bool) {
        loop {
            let mut batch = std::mem::take(&mut *self.queue.items());
            if batch.is_empty() {
                return;
            }
            while !batch.is_empty() {
                let rest = batch.split_off(batch.len().min(self.queue.0.batch));
                let count = batch.len();
                for parcel in self.destination.pack(std::mem::replace(&mut batch, rest)) {
                    match self.deliver(parcel, last).await {
                        Ok(()) => self.taken(),
                        Err(refusal) => {
                            self.queue.state().counts.lost += 1;
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
            // A flush request ends the pause, and then there is no retry: the parcel is lost.
            if tokio::time::timeout(pause, self.wanted()).await.is_ok() {
                return Err(refusal);
            }
        }
    }

    /// Returns when a flush is requested, without taking the request.
    async fn wanted(&self) {
        while self.asked.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn taken(&self) {
        let mut state = self.queue.state();
        state.counts.taken += 1;
        if let Some(trouble) = &mut state.trouble {
            trouble.taken = true;
        }
    }

    /// Counts a loss, and reports it if it is the first.
    fn lost(&self, reason: String, count: u64) {
        let mut state = self.queue.state();
        state.counts.items_lost += count;
        if let Some(trouble) = &mut state.trouble {
            trouble.dropped += count;
            (trouble.last, trouble.taken) = (Instant::now(), false);
            trouble.reason = reason;
            return;
        }
        let exporter = self.destination.name();
        let told = reason.clone();
        state.trouble = Some(Trouble { reason, last: Instant::now(), dropped: count, taken: false });
        drop(state);
        tracing::warn!(exporter, reason = told, "telemetry is lost until its receiver accepts it again");
    }

    /// Reports the recovery when nothing was lost for a while.
    fn judge(&self) {
        let overflow = self.queue.0.dropped.swap(0, Ordering::Relaxed);
        if overflow > 0 {
            self.lost("more than fits the queue".to_owned(), overflow);
            return;
        }
        let is_over = |trouble: &mut Trouble| trouble.taken && trouble.last.elapsed() >= QUIET;
        let Some(mended) = self.queue.state().trouble.take_if(is_over) else { return };
        let (exporter, dropped) = (self.destination.name(), mended.dropped);
        // The same level as the report of the loss, so that the same people see it.
        tracing::warn!(exporter, dropped, "telemetry is accepted again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts data after a number of refusals.
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
    fn items_that_do_not_fit_are_dropped_and_counted() {
        let (queue, worker) = pipeline(Moody(Arc::default(), Arc::default()), 100, 10);
        (0..100_000).for_each(|_| queue.push(1));
        assert_eq!(queue.0.items.lock().expect("items").len(), 100);
        worker.judge();
        assert_eq!(queue.trouble().as_deref(), Some("failing: more than fits the queue; 99900 lost"));
        assert_eq!(queue.counts(), Counts { taken: 0, lost: 0, items_lost: 99_900 });
    }

    #[test]
    fn items_without_room_in_the_queue_are_not_made() {
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
    async fn data_that_may_be_accepted_later_is_sent_again_and_its_loss_is_reported() {
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
