//! Schedules: a slot of time that defers a call, once, whichever replica comes first.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use prost::{Message, Name};
use tokio_util::sync::CancellationToken;

use crate::{
    db::{Db, DbError},
    deferred,
};

/// How often a replica looks whether a slot has come.
const LOOK: Duration = Duration::from_secs(1);
/// How long a look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long slots are kept, so that none runs again.
const KEEP_SLOTS_S: f64 = 400.0 * 24.0 * 3600.0;

/// A call that is deferred in every slot of a period.
#[derive(Clone)]
pub struct Schedule {
    /// The schedule's name, unique in its service.
    pub name: &'static str,
    /// The period; slots are its multiples since 1970-01-01T00:00Z.
    pub every: TimeDelta,
    /// How late a slot may still be made up. Of several missed slots, only the last is.
    pub catch_up: TimeDelta,
    request: Arc<dyn Fn() -> (String, Vec<u8>) + Send + Sync>,
}

impl Schedule {
    /// Defers `request` in every slot.
    pub fn new<R: Message + Name>(
        name: &'static str,
        every: TimeDelta,
        catch_up: TimeDelta,
        request: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let request = Arc::new(move || (R::full_name(), request().encode_to_vec()));
        Self { name, every, catch_up, request }
    }

    /// The last slot that has begun.
    fn slot(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let every = self.every.num_seconds().max(1);
        let begun = now.timestamp().div_euclid(every) * every;
        DateTime::from_timestamp(begun, 0).unwrap_or(now)
    }

    fn is_due(&self, slot: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - slot <= self.catch_up
    }
}

/// Runs schedules until told to stop.
pub async fn run(db: Db, schedules: Vec<Schedule>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let looked = tokio::time::timeout(LOOK_TIMEOUT, look(&db, &schedules)).await;
        if let Err(error) = looked.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into())) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot run schedules");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Takes every slot that has begun and that nobody took. The time is PostgreSQL's, so the replicas' clocks may differ;
/// the primary key decides between them.
pub async fn look(db: &Db, schedules: &[Schedule]) -> Result<(), DbError> {
    let now = crate::db::now(&mut *db.acquire().await?).await?;
    for schedule in schedules {
        let slot = schedule.slot(now);
        if schedule.is_due(slot, now) {
            take(db, schedule, slot).await?;
        }
    }
    Ok(())
}

async fn take(db: &Db, schedule: &Schedule, slot: DateTime<Utc>) -> Result<(), DbError> {
    // Most looks find the slot taken: that costs one read and no transaction.
    let mut conn = db.acquire().await?;
    let taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM runtime.schedule_slots WHERE schedule = $1 AND slot = $2) AS "taken!""#,
        schedule.name,
        slot,
    )
    .fetch_one(&mut *conn)
    .await?;
    drop(conn);
    if taken {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    let won = sqlx::query!(
        "INSERT INTO runtime.schedule_slots (schedule, slot, run_time) VALUES ($1, $2, runtime.now())
         ON CONFLICT (schedule, slot) DO NOTHING",
        schedule.name,
        slot,
    )
    .execute(&mut *tx)
    .await?;
    if won.rows_affected() == 1 {
        let (request_type, request) = (schedule.request)();
        let key = format!("schedule:{}:{}", schedule.name, slot.timestamp());
        deferred::defer_encoded(&mut tx, &request_type, request, key, slot).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Removes up to `limit` slots that are long past; how many.
pub(crate) async fn purge(conn: &mut sqlx::PgConnection, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "DELETE FROM runtime.schedule_slots WHERE (schedule, slot) IN (
             SELECT schedule, slot FROM runtime.schedule_slots
             WHERE slot < runtime.now() - make_interval(secs => $1) LIMIT $2
         )",
        KEEP_SLOTS_S,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use levqor_proto::runtime::v1::PurgeExpiredRequest;

    #[test]
    fn slots_are_multiples_of_the_period_and_are_made_up_within_a_bound() {
        let schedule =
            Schedule::new("purge", TimeDelta::hours(1), TimeDelta::minutes(30), || PurgeExpiredRequest {});
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect(text);
        let slot = schedule.slot(at("2026-11-24T06:29:59Z"));
        assert_eq!(slot, at("2026-11-24T06:00:00Z"));
        assert!(schedule.is_due(slot, at("2026-11-24T06:30:00Z")));
        assert!(!schedule.is_due(slot, at("2026-11-24T06:30:01Z")));
    }
}
