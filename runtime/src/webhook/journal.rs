//! A service's journal of events: its backlog, and how long it keeps the bodies.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Postgres, postgres::PgArguments, query::Query};

use crate::{
    db::{Db, DbError},
    fail_point,
    metrics::{KeyValue, Readings, chassis},
};

/// How long bodies are kept after their events were settled.
const RETENTION: TimeDelta = TimeDelta::days(30);
/// How long the bodies of unsettled events, mostly quarantined ones, are kept for a replay. The comment of each column with bodies has the
/// same period.
const KEEP_UNSETTLED: TimeDelta = TimeDelta::days(90);
/// Rows per transaction, so that no lock is held for long.
const BATCH: i64 = 500;

/// The backlog of a journal, each count up to a bound.
#[derive(Debug, Clone)]
pub struct Backlog {
    pub journal: &'static str,
    pub pending: i64,
    pub quarantined: i64,
    /// The age of the oldest due event. `None` if the journal is not its own work list.
    pub oldest_due_age_s: Option<f64>,
    /// When the last event was received.
    pub last_receive_time: Option<DateTime<Utc>>,
}

impl Backlog {
    pub(crate) fn readings(&self) -> Readings {
        let mut readings = Readings::default();
        let journal = [KeyValue::new("journal", self.journal)];
        for (state, count) in [("pending", self.pending), ("quarantined", self.quarantined)] {
            let labels = [journal[0].clone(), KeyValue::new("state", state)];
            readings.count(&chassis::JOURNAL_DEPTH, &labels, count);
        }
        if let Some(age_s) = self.oldest_due_age_s {
            readings.seconds(&chassis::JOURNAL_AGE, &journal, age_s);
        }
        if let Some(last) = self.last_receive_time {
            readings.instant(&chassis::JOURNAL_LAST, &journal, last);
        }
        readings
    }
}

/// A statement that purges bodies. It skips locked rows; the next batch takes them.
pub type PurgeStatement = Query<'static, Postgres, PgArguments>;

/// The bodies in a journal.
pub trait Bodies {
    /// Purges the bodies of up to `limit` events that were settled before an instant.
    fn settled(before: DateTime<Utc>, limit: i64) -> PurgeStatement;
    /// Purges the bodies of up to `limit` unsettled events that were received before an instant.
    fn unsettled(before: DateTime<Utc>, limit: i64) -> PurgeStatement;
}

/// Purges every body that is past its retention, batch by batch. Returns how many.
pub async fn purge_bodies<B: Bodies>(db: &Db) -> Result<i64, DbError> {
    let mut total: i64 = 0;
    loop {
        let mut tx = db.begin().await?;
        let now = tx.now().await?;
        let mut purged = 0;
        for statement in [B::settled(now - RETENTION, BATCH), B::unsettled(now - KEEP_UNSETTLED, BATCH)] {
            purged += statement.execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        if purged == 0 {
            tracing::info!(count = total, "bodies of journaled events were purged");
            return Ok(total);
        }
        fail_point::BODIES_PURGED.reached();
        total = total.saturating_add_unsigned(purged);
    }
}
