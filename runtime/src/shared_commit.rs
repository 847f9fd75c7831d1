//! Many small writes, one commit: what is asked for at the same time shares a statement, so that the price of a commit is
//! paid once for all; each asker is still answered only after it.

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

/// Askers that wait for a writer at most; more are refused.
const QUEUE: usize = 2048;
/// Items that share a commit at most.
const BATCH: usize = 128;
/// Statements under way at once: one is written while the next is gathered.
const WRITERS: usize = 2;
/// How long a statement may take. PostgreSQL itself gives up waiting for locks before; only a server that vanished without
/// a word takes longer, and must not take the writer with it.
const STATEMENT: Duration = Duration::from_secs(8);

/// Writes a batch in one statement.
pub trait BatchWrite: Send + Sync + 'static {
    /// What one asker wants written.
    type Item: Send + Sync + 'static;
    /// What it is answered.
    type Answer: Send + 'static;

    /// What the statement does, `INSERT`, and to which table: the name of each asker's span.
    const OPERATION: &'static str;
    /// The table.
    const TABLE: &'static str;

    /// Puts a batch into the one order in which every writer of every replica writes: a write waits for a rival's
    /// uncommitted write of the same row, and two that wait for each other would be a deadlock.
    fn order(&self, one: &Self::Item, other: &Self::Item) -> std::cmp::Ordering;

    /// Writes all of them or none; the answers are in the order of the items.
    fn write(
        &self,
        conn: &mut PgConnection,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, DbError>> + Send;
}

service_error! {
    /// Why nothing was written.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum NotWritten {
        /// Too many wait.
        #[error("too many are waiting to be stored")]
        Full => Unavailable "BUSY" after 1 s,
        /// The database, for all that shared the statement.
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
    answer: oneshot::Sender<Result<B::Answer, NotWritten>>,
}

/// The way in.
pub struct SharedCommit<B: BatchWrite> {
    queue: mpsc::Sender<Asked<B>>,
}

impl<B: BatchWrite> SharedCommit<B> {
    /// Starts the writers. They end when this is dropped; the drain need not wait for them, since it waits for the calls
    /// that wait for them.
    pub fn new(db: &Db, write: B) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        let (db, write) = (db.clone(), Arc::new(write));
        let writer = move || Writer { db: db.clone(), conn: None, write: Arc::clone(&write) };
        Tasks::default().spawn(write_all(asked, writer));
        Self { queue }
    }

    /// Writes one item; returns after the commit.
    pub async fn write(&self, item: B::Item) -> Result<B::Answer, NotWritten> {
        let span = telemetry::shared_statement_span(B::OPERATION, B::TABLE);
        let written = self.ask(item).await;
        if let (Some(span), Err(error)) = (&span, &written) {
            telemetry::fail(span, error.reason());
        }
        written
    }

    async fn ask(&self, item: B::Item) -> Result<B::Answer, NotWritten> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Asked { item, answer }).map_err(|_| NotWritten::Full)?;
        answered.await.unwrap_or(Err(NotWritten::Full))
    }
}

/// Gathers what is asked for, and gives it to the writer that has rested for the shortest time: its connection is the one
/// whose process in PostgreSQL finds its caches warm.
async fn write_all<B: BatchWrite>(mut asked: mpsc::Receiver<Asked<B>>, writer: impl Fn() -> Writer<B>) {
    let mut resting: Vec<_> = std::iter::repeat_with(&writer).take(WRITERS).collect();
    let mut writing = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            // One that panicked takes what it wrote with it, and nobody else: another has its place.
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

/// Writes over a connection of its own, beside the pool: one from the pool is asked whether it lives each time that it is
/// given back, which would double the traffic with PostgreSQL, and one that were kept would be missing there.
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
                    // Whoever hung up will ask again; it is written.
                    let _ = answer.send(Ok(written));
                }
            }
            // One that the database cannot hold must not take the others with it.
            Err(DbError::Statement(_) | DbError::TextNotStorable(_) | DbError::Constraint { .. })
                if items.len() > 1 =>
            {
                let mut gone = None;
                for (item, answer) in items.iter().zip(answers) {
                    // Nobody has the patience for a hundred of a database's silences.
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

    async fn patiently(&mut self, items: &[B::Item]) -> Result<Vec<B::Answer>, DbError> {
        let kept = self.conn.is_some();
        match self.once(items).await {
            // Another transaction was in the way, a manual one perhaps. Nothing was written: once more costs little, and
            // spares up to so many askers a refusal.
            Err(DbError::Conflict(_)) => self.once(items).await,
            // The connection may have died while it was kept.
            Err(DbError::Unavailable(_)) if kept => self.once(items).await,
            outcome => outcome,
        }
    }

    async fn alone(&mut self, item: &B::Item) -> Result<B::Answer, NotWritten> {
        let written = self.patiently(std::slice::from_ref(item)).await;
        let mut written = written.map_err(|error| NotWritten::Database(Arc::new(error)))?;
        written.pop().ok_or(NotWritten::Full)
    }

    async fn once(&mut self, items: &[B::Item]) -> Result<Vec<B::Answer>, DbError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            // Boxed: nearly never made, and in every statement's way.
            None => Box::pin(self.db.connect()).await?,
        };
        let written = timeout(STATEMENT, self.write.write(&mut conn, items)).await;
        let written = written.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
        // After a failure nobody knows what the connection is worth.
        self.conn = written.is_ok().then_some(conn);
        written
    }
}
