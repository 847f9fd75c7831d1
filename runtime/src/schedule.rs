//! Schedules: each slot defers a call once, whichever replica takes it first.

mod slots;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc, Weekday};
use prost::{Message, Name};
use tokio_util::sync::CancellationToken;

use self::slots::Slots;
pub use self::slots::{EVERY_DAY, WEEKDAYS};
use crate::{
    db::{Db, DbError},
    deferred::{self, Lane},
    fail_point,
};

/// How often a replica checks for a new slot.
const LOOK: Duration = Duration::from_secs(1);
/// How long one check may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// A slot is late if it began longer ago than this and a replica that has worked for this long did not run it.
const TOLERANCE: Duration = Duration::from_mins(1);
const DELTA_TOLERANCE: TimeDelta = TimeDelta::minutes(1);
/// How long slots are kept, so that none runs again.
const KEEP_SLOTS_S: f64 = 400.0 * 24.0 * 3600.0;

/// A call that is deferred in every slot.
#[derive(Clone)]
pub struct Schedule {
    /// The schedule's name, unique in its service.
    pub name: &'static str,
    slots: Slots,
    /// How late a missed slot may still run. Of several missed slots only the last one runs.
    pub catch_up: TimeDelta,
    request: Arc<dyn Fn() -> (String, Vec<u8>) + Send + Sync>,
}

impl Schedule {
    /// Defers `request` at every multiple of a period since 1970-01-01T00:00Z.
    pub fn new<R: Message + Name>(
        name: &'static str,
        every: TimeDelta,
        catch_up: TimeDelta,
        request: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        Self::with(name, Slots::Every(every), catch_up, request)
    }

    /// Defers `request` at this London wall-clock time on these days of the week. A time that occurs twice in a day, or that does
    /// not exist on a day, is one slot.
    pub fn in_london<R: Message + Name>(
        name: &'static str,
        time: NaiveTime,
        days: &'static [Weekday],
        catch_up: TimeDelta,
        request: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        Self::with(name, Slots::London(time, days), catch_up, request)
    }

    fn with<R: Message + Name>(
        name: &'static str,
        slots: Slots,
        catch_up: TimeDelta,
        request: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let request = Arc::new(move || (R::full_name(), request().encode_to_vec()));
        Self { name, slots, catch_up, request }
    }

    /// The last slot that has begun.
    pub(crate) fn slot(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.slots.begun(now)
    }

    /// The first slot that has not begun.
    pub(crate) fn next_slot(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.slots.next(now)
    }

    /// The state of the schedule, computed from the last slot that ran.
    fn standing(
        &self,
        now: DateTime<Utc>,
        last: Option<(DateTime<Utc>, DateTime<Utc>)>,
        working_for: Duration,
    ) -> Standing {
        let (begun, next_slot) = (self.slot(now), self.next_slot(now));
        let (last_slot, last_run) = last.unzip();
        // A slot that no replica could have run is not late: it runs later, or it is beyond `catch_up` and is skipped by design.
        let could_have = working_for > TOLERANCE && now - begun > DELTA_TOLERANCE;
        let was_due = self.is_due(begun, now) || last_slot.is_some();
        Standing {
            name: self.name,
            every: next_slot - begun,
            last_slot,
            last_run,
            next_slot,
            late: last_slot.is_none_or(|slot| slot < begun) && was_due && could_have,
        }
    }

    fn is_due(&self, slot: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - slot <= self.catch_up
    }
}

/// Runs schedules until the shutdown.
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

/// Takes every slot that has begun and is not taken. The time is PostgreSQL's, so the replicas' clocks may differ. The primary
/// key decides between replicas.
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
    // Most checks find the slot taken: that costs one read and no transaction.
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
        fail_point::SCHEDULE_TAKEN.reached();
        let (request_type, request) = (schedule.request)();
        let key = format!("schedule:{}:{}", schedule.name, slot.timestamp());
        // The call is due now, not since the slot began: so the lateness of schedules and the lateness of calls are measured
        // apart.
        let now = tx.now().await?;
        deferred::defer_encoded(&mut tx, &request_type, request, key, now, Lane::MAIN).await?;
        tx.commit().await?;
        fail_point::SCHEDULE_DEFERRED.reached();
    }
    Ok(())
}

/// The state of a schedule: its last and next slot, and whether a slot is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: &'static str,
    /// The time from the last slot to the next.
    pub(crate) every: TimeDelta,
    /// The last slot that ran.
    pub(crate) last_slot: Option<DateTime<Utc>>,
    /// When that slot ran.
    pub(crate) last_run: Option<DateTime<Utc>>,
    pub(crate) next_slot: DateTime<Utc>,
    pub(crate) late: bool,
}

/// The states of these schedules, as a process sees them that has worked for this long.
pub(crate) async fn standings(
    conn: &mut sqlx::PgConnection,
    schedules: &[Schedule],
    working_for: Duration,
) -> Result<Vec<Standing>, DbError> {
    let now = crate::db::now(&mut *conn).await?;
    let names: Vec<_> = schedules.iter().map(|schedule| schedule.name.to_owned()).collect();
    let taken = sqlx::query!(
        r#"SELECT last.schedule, last.slot, last.run_time
           FROM unnest($1::text[]) AS s (name),
           LATERAL (SELECT * FROM runtime.schedule_slots WHERE schedule = s.name ORDER BY slot DESC LIMIT 1) AS last"#,
        &names,
    )
    .fetch_all(conn)
    .await?;
    let standing = |schedule: &Schedule| {
        let last = taken.iter().find(|row| row.schedule == schedule.name);
        schedule.standing(now, last.map(|row| (row.slot, row.run_time)), working_for)
    };
    Ok(schedules.iter().map(standing).collect())
}

/// Removes up to `limit` old slots. Returns how many.
pub(crate) async fn purge(conn: &mut sqlx::PgConnection, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT schedule, slot FROM runtime.schedule_slots
             WHERE slot < runtime.now() - make_interval(secs => $1)
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         DELETE FROM runtime.schedule_slots AS taken USING old
         WHERE taken.schedule = ANY (ARRAY[old.schedule]) AND taken.slot = old.slot",
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
    use levqor_proto_runtime::v1::PurgeExpiredRequest;

    #[test]
    fn slots_are_multiples_of_the_period_and_a_missed_one_runs_within_the_catch_up_time() {
        let schedule =
            Schedule::new("purge", TimeDelta::hours(1), TimeDelta::minutes(30), || PurgeExpiredRequest {});
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect(text);
        let slot = schedule.slot(at("2026-11-24T06:29:59Z"));
        assert_eq!(slot, at("2026-11-24T06:00:00Z"));
        assert!(schedule.is_due(slot, at("2026-11-24T06:30:00Z")));
        assert!(!schedule.is_due(slot, at("2026-11-24T06:30:01Z")));
    }

    #[test]
    fn a_slot_is_late_only_if_a_replica_could_have_run_it() {
        let day = TimeDelta::days(1);
        let schedule = Schedule::new("purge", day, day, || PurgeExpiredRequest {});
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect(text);
        let (now, begun) = (at("2026-11-24T06:00:00Z"), at("2026-11-24T00:00:00Z"));
        let late = |last: Option<DateTime<Utc>>, working_for| {
            schedule.standing(now, last.map(|slot| (slot, slot)), Duration::from_secs(working_for)).late
        };
        for last in [None, Some(begun - day)] {
            assert!(late(last, 61), "{last:?}");
            assert!(!late(last, 59), "{last:?}: it only just began to work");
        }
        assert!(!late(Some(begun), 3600));
        let standing = schedule.standing(now, None, Duration::ZERO);
        assert_eq!(standing.next_slot, at("2026-11-25T00:00:00Z"));
    }
}
