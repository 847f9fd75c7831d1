//! Many small writes in one commit: writes that are requested at the same time share a statement, so they share the cost of the
//! commit. Each caller gets its answer only after the commit.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use sqlx::PgConnection;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    db::{Db, DbError},
    error::{ErrorCode, ServiceError},
    service_error,
    tasks::Tasks,
    telemetry,
};

/// The most callers that wait for a writer. Further callers are refused.
const QUEUE: usize = 2048;
/// The most items that share a commit.
const BATCH: usize = 128;
/// Concurrent statements: one runs while the next batch is collected.
const WRITERS: usize = 2;
/// How long a statement may take. PostgreSQL's own lock timeout is shorter. Only a server that disappears without closing the
/// connection takes longer, and it must not block the writer.
const STATEMENT: Duration = Duration::from_secs(8);

/// Writes a batch in one statement.
pub trait BatchWrite: Send + Sync + 'static {
    /// The item of one caller.
    type Item: Send + Sync + 'static;
    /// The answer to one caller.
    type Written: Send + 'static;

    /// The SQL operation, `INSERT`. With the table it names each caller's span.
    const OPERATION: &'static str;
    /// The table.
    const TABLE: &'static str;

    /// Sorts a batch into the one order in which every writer of every replica writes. A write waits for another uncommitted
    /// write of the same row, so two writers in different orders would deadlock.
    fn order(&self, one: &Self::Item, other: &Self::Item) -> std::cmp::Ordering;

    /// Writes all items or none. The answers are in the order of the items.
    fn write(
        &self,
        conn: &mut PgConnection,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Written>, DbError>> + Send;
}

service_error! {
    /// Why nothing was written.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum NotWritten {
        /// Too many callers wait.
        #[error("too many writes are waiting; try again in a second")]
        Full => Unavailable "BUSY" after 1 s,
        /// The database failed, for all items of the statement.
        #[error(transparent)]
        Database(Arc<DbError>) => source,
    }
}

impl NotWritten {
    fn retryable(&self) -> bool {
        self.code() == ErrorCode::Unavailable
    }
}

struct Asked<B: BatchWrite> {
    item: B::Item,
    answer: oneshot::Sender<Result<B::Written, NotWritten>>,
}

/// Takes items to write.
pub struct SharedCommit<B: BatchWrite> {
    queue: mpsc::Sender<Asked<B>>,
}

impl<B: BatchWrite> SharedCommit<B> {
    /// Starts the writers. They end when this is dropped. The drain need not wait for them, since it waits for the calls that
    /// wait for them.
    pub fn new(db: &Db, write: B) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        let (db, write) = (db.clone(), Arc::new(write));
        let writer = move || Writer { db: db.clone(), conn: None, write: Arc::clone(&write) };
        Tasks::default().spawn(write_all(asked, writer));
        Self { queue }
    }

    /// Writes one item; returns after the commit.
    pub async fn write(&self, item: B::Item) -> Result<B::Written, NotWritten> {
        let span = telemetry::shared_statement_span(B::OPERATION, B::TABLE);
        let written = self.ask(item).await;
        if let (Some(span), Err(error)) = (&span, &written) {
            telemetry::fail(span, error.reason());
        }
        written
    }

    async fn ask(&self, item: B::Item) -> Result<B::Written, NotWritten> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Asked { item, answer }).map_err(|_| NotWritten::Full)?;
        answered.await.unwrap_or(Err(NotWritten::Full))
    }
}

/// Collects items, and gives them to the writer that was idle for the shortest time: its PostgreSQL process has warm caches.
async fn write_all<B: BatchWrite>(mut asked: mpsc::Receiver<Asked<B>>, writer: impl Fn() -> Writer<B>) {
    let mut resting: Vec<_> = std::iter::repeat_with(&writer).take(WRITERS).collect();
    let mut writing = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            // A writer that panicked fails only its own batch; a new writer replaces it.
            Some(written) = writing.next() => resting.push(Result::unwrap_or_else(written, |_| writer())),
            gathered = asked.recv_many(&mut batch, BATCH), if !resting.is_empty() => {
                if gathered == 0 {
                    break;
                }
                let Some(rested) = resting.pop() else { continue };
                batch.sort_by(|one, other| rested.write.order(&one.item, &other.item));
                writing.push(AssertUnwindSafe(rested.answer(std::mem::take(&mut batch))).catch_unwind());
            }
        }
    }
    while writing.next().await.is_some() {}
}

/// Writes over its own connection, beside the pool. The pool pings a connection each time that it is returned, which would double
/// the traffic with PostgreSQL. A connection that is kept would be missing from the pool.
struct Writer<B> {
    db: Db,
    conn: Option<PgConnection>,
    write: Arc<B>,
}

impl<B: BatchWrite> Writer<B> {
    async fn answer(mut self, batch: Vec<Asked<B>>) -> Self {
        let (items, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Asked { item, answer }| (item, answer)).unzip();
        match self.patiently(&items).await {
            Ok(written) => {
                for (answer, written) in answers.into_iter().zip(written) {
                    // A caller that disconnected will ask again; the item is written.
                    let _ = answer.send(Ok(written));
                }
            }
            // An item that the database cannot store must not fail the others.
            Err(DbError::Statement(_) | DbError::TextNotStorable(_) | DbError::Constraint { .. })
                if items.len() > 1 =>
            {
                let mut gone = None;
                for (item, answer) in items.iter().zip(answers) {
                    // After a lost connection the remaining items fail at once: waiting for the database's timeout once per item
                    // would take too long.
                    let written = match &gone {
                        Some(error) => Err(NotWritten::clone(error)),
                        None => self.alone(item).await,
                    };
                    gone = gone.or(written.as_ref().err().filter(|error| error.retryable()).cloned());
                    let _ = answer.send(written);
                }
            }
            Err(error) => {
                let error = NotWritten::Database(Arc::new(error));
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
        self
    }

    async fn patiently(&mut self, items: &[B::Item]) -> Result<Vec<B::Written>, DbError> {
        let kept = self.conn.is_some();
        match self.once(items).await {
            // Another transaction conflicted, perhaps a manual one. Nothing was written. One retry costs little, and may spare a
            // whole batch of callers a refusal.
            Err(DbError::Conflict(_)) => self.once(items).await,
            // The connection may have died while it was kept.
            Err(DbError::Unavailable(_)) if kept => self.once(items).await,
            outcome => outcome,
        }
    }

    async fn alone(&mut self, item: &B::Item) -> Result<B::Written, NotWritten> {
        let written = self.patiently(std::slice::from_ref(item)).await;
        let mut written = written.map_err(|error| NotWritten::Database(Arc::new(error)))?;
        written.pop().ok_or(NotWritten::Full)
    }

    async fn once(&mut self, items: &[B::Item]) -> Result<Vec<B::Written>, DbError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            // Boxed, because it rarely runs and would enlarge the future of every statement.
            None => Box::pin(self.db.connect()).await?,
        };
        let written = timeout(STATEMENT, self.write.write(&mut conn, items)).await;
        let written = written.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
        // After a failure the state of the connection is unknown.
        self.conn = written.is_ok().then_some(conn);
        written
    }
}
