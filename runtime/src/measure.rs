//! Measures on a schedule the values that only the database knows: the backlog of deferred calls, the lateness of schedules, and
//! the service's own values. Each takes one bounded query over a separate connection, because these values matter most when the
//! pool is busy.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use opentelemetry::KeyValue;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::{
    chassis::Chassis,
    db::{DatabaseUrl, DbError},
    deferred::store,
    metrics::{Readings, chassis as metrics},
    schedule::{self, Schedule},
    self_test,
    service::Service,
    webhook::Backlog,
};

/// The interval of measurements.
const EVERY: Duration = Duration::from_secs(15);
/// How long one round of measurements may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Measures one service.
pub(crate) struct Measurer<S> {
    service: Arc<S>,
    chassis: Chassis,
    url: DatabaseUrl,
    schedules: Vec<Schedule>,
    conn: Option<PgConnection>,
}

impl<S: Service> Measurer<S> {
    pub(crate) fn new(service: Arc<S>, chassis: Chassis, url: DatabaseUrl, schedules: Vec<Schedule>) -> Self {
        Self { service, chassis, url, schedules, conn: None }
    }

    /// Measures until the shutdown.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.measure().await;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Measures everything once. A failed measurement is hidden until the next success.
    pub(crate) async fn measure(&mut self) {
        let Ok(Ok(mut conn)) = tokio::time::timeout(TIMEOUT, self.connect()).await else {
            for measurement in ["deferred_calls", "schedules", "self_tests", "journal", "own"] {
                self.publish(measurement, Err(sqlx::Error::PoolTimedOut.into()));
            }
            return;
        };
        let measured = tokio::time::timeout(TIMEOUT, async {
            self.publish("deferred_calls", deferred(&mut conn).await);
            self.publish("schedules", schedules(&mut conn, &self.schedules).await);
            self.publish("self_tests", self_tests(&mut conn).await);
            let journal = S::journal(&mut conn).await;
            let journal = journal.map(|journal| journal.as_ref().map(Backlog::readings).unwrap_or_default());
            self.publish("journal", journal);
            let mut own = Readings::default();
            let outcome = self.service.measure(&mut conn, &mut own).await;
            self.publish("own", outcome.map(|()| own));
        });
        // A connection whose measurement was cut off is not used again.
        if measured.await.is_ok() {
            self.conn = Some(conn);
        }
    }

    async fn connect(&mut self) -> Result<PgConnection, DbError> {
        if let Some(mut conn) = self.conn.take()
            && conn.ping().await.is_ok()
        {
            return Ok(conn);
        }
        let options = self.url.options_of(&format!("{}-metrics", S::NAME));
        Ok(PgConnection::connect_with(&options.options([("statement_timeout", "5s")])).await?)
    }

    fn publish(&self, measurement: &'static str, outcome: Result<Readings, DbError>) {
        if let Err(error) = &outcome {
            tracing::warn!(
                service = S::NAME,
                measurement,
                error = error as &dyn std::error::Error,
                "cannot measure"
            );
        }
        self.chassis.metrics.publish(measurement, self.chassis.clock.now(), outcome.ok());
    }
}

async fn deferred(conn: &mut PgConnection) -> Result<Readings, DbError> {
    let backlog = store::backlog(conn).await?;
    let mut readings = Readings::default();
    for (state, count) in [("due", backlog.due), ("later", backlog.later), ("dead", backlog.dead)] {
        readings.count(&metrics::DEFERRED, &[KeyValue::new("state", state)], count);
    }
    readings.seconds(&metrics::DEFERRED_AGE, &[], backlog.oldest_due_age_s);
    Ok(readings)
}

async fn self_tests(conn: &mut PgConnection) -> Result<Readings, DbError> {
    let outcome = self_test::outcome(conn, self_test::ERROR_REPORTS).await?;
    let mut readings = Readings::default();
    if let Some(last) = outcome.and_then(|outcome| outcome.last_success_time) {
        readings.instant(&metrics::SENTRY_TEST, &[], last);
    }
    Ok(readings)
}

async fn schedules(conn: &mut PgConnection, schedules: &[Schedule]) -> Result<Readings, DbError> {
    // `Duration::MAX`: these metrics need no exception for a process that has just started, as `/v1/status` does for late schedules.
    let standings = schedule::standings(conn, schedules, Duration::MAX).await?;
    let now = crate::db::now(conn).await?;
    let mut readings = Readings::default();
    for standing in standings {
        let label = [KeyValue::new("schedule", standing.name)];
        if let Some(last) = standing.last_slot {
            readings.instant(&metrics::SCHEDULE_LAST, &label, last);
        }
        readings.instant(&metrics::SCHEDULE_NEXT, &label, standing.next_slot);
        // The first missing slot: the slot after the last one taken, or the current slot if none was ever taken.
        let begun = standing.next_slot - standing.every;
        let missing = standing.last_slot.map_or(begun, |last| last + standing.every);
        let lag = if missing <= begun { now - missing } else { TimeDelta::zero() };
        readings.seconds(&metrics::SCHEDULE_LAG, &label, lag.as_seconds_f64());
    }
    Ok(readings)
}
