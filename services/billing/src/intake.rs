//! Takes verified events into the journal. Those that come at the same time share one statement and one commit, so that
//! the price of a commit is paid once for all of them; each is still answered only after it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use levqor_runtime::{
    chassis::Tasks,
    db::{Db, DbError},
    error::{ErrorCode, ServiceError},
    telemetry,
};
use sqlx::{Postgres, pool::PoolConnection};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    domain::stripe_event::Envelope,
    store::stripe_events::{self, Journaled},
};

/// Events that wait for a writer at most; more are refused, and Stripe comes back.
const QUEUE: usize = 2048;
/// Events that share a commit at most.
const BATCH: usize = 128;
/// Statements under way at once: one is written while the next is gathered.
const WRITERS: usize = 2;

/// Why an event is not in the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum IntakeError {
    /// Too many wait.
    #[error("too many events are waiting to be stored")]
    Full,
    /// The database, for all that shared the statement.
    #[error(transparent)]
    Database(Arc<DbError>),
}

impl ServiceError for IntakeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Full => ErrorCode::Unavailable,
            Self::Database(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Full => "BUSY",
            Self::Database(error) => error.reason(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full => Some(Duration::from_secs(1)),
            Self::Database(error) => error.retry_after(),
        }
    }
}

/// An event on its way into the journal.
pub(crate) struct Arrival {
    pub(crate) event: Envelope,
    pub(crate) body: Bytes,
    pub(crate) trace_parent: String,
    answer: oneshot::Sender<Result<Journaled, IntakeError>>,
}

/// The way into the journal.
pub(crate) struct Intake {
    queue: mpsc::Sender<Arrival>,
}

impl Intake {
    /// Starts the writers. They end when this is dropped; the drain need not wait for them, since it waits for the calls
    /// that wait for them.
    pub(crate) fn new(db: &Db) -> Self {
        let (queue, arrivals) = mpsc::channel(QUEUE);
        let arrivals = Arc::new(Mutex::new(arrivals));
        for _ in 0..WRITERS {
            Tasks::default().spawn(write(db.clone(), Arc::clone(&arrivals)));
        }
        Self { queue }
    }

    /// Stores an event, once; returns after the commit.
    pub(crate) async fn journal(&self, event: Envelope, body: Bytes) -> Result<Journaled, IntakeError> {
        let (answer, answered) = oneshot::channel();
        let arrival = Arrival { event, body, trace_parent: telemetry::current_trace_parent(), answer };
        self.queue.try_send(arrival).map_err(|_| IntakeError::Full)?;
        answered.await.unwrap_or(Err(IntakeError::Full))
    }
}

async fn write(db: Db, arrivals: Arc<Mutex<mpsc::Receiver<Arrival>>>) {
    let mut writer = Writer { db, conn: None };
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // Held while gathering only: the other writer gathers while this one writes.
        if arrivals.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        // Every writer of every replica stores in this one order: an insert waits for a rival's uncommitted copy of the
        // same event, and two that wait for each other would be a deadlock.
        batch.sort_by(|one, other| one.event.key().cmp(&other.event.key()));
        let kept = writer.conn.is_some();
        let outcome = match writer.store(&batch).await {
            // Another transaction was in the way, a manual one perhaps. Nothing was stored: once more costs little, and
            // spares up to so many callers a refusal.
            Err(DbError::Conflict(_)) => writer.store(&batch).await,
            // The connection may have died while it was kept. What it may have stored is not stored again.
            Err(DbError::Unavailable(_)) if kept => writer.store(&batch).await,
            outcome => outcome,
        };
        settle(&mut writer, &mut batch, outcome).await;
    }
}

/// Stores over a connection that it keeps: one from the pool is asked whether it lives each time that it is given back,
/// which would double the traffic with PostgreSQL.
struct Writer {
    db: Db,
    conn: Option<PoolConnection<Postgres>>,
}

impl Writer {
    async fn store(&mut self, batch: &[Arrival]) -> Result<Vec<Journaled>, DbError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.db.acquire().await?,
        };
        let stored = stripe_events::insert(&mut conn, batch).await;
        // After a failure the pool decides what the connection is worth.
        self.conn = stored.is_ok().then_some(conn);
        stored
    }
}

async fn settle(writer: &mut Writer, batch: &mut Vec<Arrival>, outcome: Result<Vec<Journaled>, DbError>) {
    match outcome {
        Ok(journaled) => {
            for (arrival, journaled) in batch.drain(..).zip(journaled) {
                // Whoever hung up will ask again; the event is stored.
                let _ = arrival.answer.send(Ok(journaled));
            }
        }
        // One that the database cannot hold must not take the others with it.
        Err(DbError::Statement(_) | DbError::Constraint { .. }) if batch.len() > 1 => {
            for arrival in batch.drain(..) {
                let alone = writer.store(std::slice::from_ref(&arrival)).await;
                let journaled = alone.map_err(|error| IntakeError::Database(Arc::new(error)));
                let journaled = journaled.and_then(|mut one| one.pop().ok_or(IntakeError::Full));
                let _ = arrival.answer.send(journaled);
            }
        }
        Err(error) => {
            let error = IntakeError::Database(Arc::new(error));
            for arrival in batch.drain(..) {
                let _ = arrival.answer.send(Err(error.clone()));
            }
        }
    }
}
