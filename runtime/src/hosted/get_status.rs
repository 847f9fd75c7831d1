//! Measures the state of the service: database, tables, backlog and capabilities.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_runtime::v1::{
    Backlog, Capability, Check, ErrorReportTest, GetStatusRequest, GetStatusResponse, Migrations, Schedule,
};

use super::{Error, Hosted};
use crate::{
    clock::timestamp,
    context::Ctx,
    db::{DbError, migrations::Schema},
    deferred::store,
    lifecycle::Measurement,
    rpc::State,
    schedule, self_test,
    service::Service,
    version,
};

/// The database counts as unavailable after it has not answered the probe for this time. The gateway waits for two seconds in total.
const SILENCE: Duration = Duration::from_millis(1500);
/// The time limit of the queries of this RPC.
const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) async fn get_status<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: GetStatusRequest,
) -> Result<GetStatusResponse, Error> {
    let measured = hosted.readiness.measured();
    let silent_for = hosted.readiness.asked_for().filter(|asked| *asked >= SILENCE);
    let mut checks = checks(measured, silent_for, hosted.chassis().clock.now());
    let answers = silent_for.is_none() && measured.is_some_and(|measured| measured.history.is_some());
    // If the database does not answer, the values are absent, not zero. The caller must get an answer before its timeout.
    let (backlog, schedules_and_test) = if answers {
        tokio::join!(in_time(backlog(hosted)), in_time(schedules_and_test(hosted)))
    } else {
        (None, None)
    };
    let (schedules, error_report_test) = schedules_and_test.unwrap_or_default();
    if !hosted.readiness.is_compared() {
        checks.push(failed("erasure_ledger", "not compared with the ledger of erasures yet"));
    }
    if hosted.readiness.is_draining() {
        checks.push(failed("lifecycle", "draining"));
    }
    let capabilities = super::capabilities(&*hosted.service).into_iter().map(|it| Capability {
        name: it.name.to_owned(),
        state: it.state.into(),
        reason: it.reason,
        measure_time: it.measured.map(timestamp),
    });
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let history = measured.and_then(|measured| measured.history);
    let migrations = history.map(|it| Migrations {
        applied: count(it.applied),
        pending: count(it.pending),
        unknown: count(it.unknown),
    });
    Ok(GetStatusResponse {
        service: S::NAME.to_owned(),
        version: version::VERSION.to_owned(),
        ready: checks.iter().all(|check| check.ok),
        capabilities: capabilities.collect(),
        backlog,
        checks,
        commit: version::commit().to_owned(),
        protocol: version::protocol(S::DESCRIPTORS),
        ready_change_time: hosted.readiness.since().map(timestamp),
        migrations,
        schedules,
        error_report_test,
    })
}

async fn in_time<T>(answer: impl Future<Output = Result<T, DbError>>) -> Option<T> {
    tokio::time::timeout(QUERY_TIMEOUT, answer).await.ok()?.ok()
}

/// The schedules, and the last result of the test of error reports.
async fn schedules_and_test<S: Service>(
    hosted: &Hosted<S>,
) -> Result<(Vec<Schedule>, Option<ErrorReportTest>), DbError> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let working_for = hosted.readiness.working_for().unwrap_or_default();
    let schedules = schedule::standings(&mut conn, &hosted.schedules, working_for).await?;
    let test = self_test::outcome(&mut conn, self_test::ERROR_REPORTS).await?;
    let test = test.map(|outcome| ErrorReportTest {
        last_success_time: outcome.last_success_time.map(timestamp),
        last_failure_time: outcome.last_failure_time.map(timestamp),
        failure: outcome.failure,
    });
    let schedules = schedules.into_iter().map(|it| Schedule {
        name: it.name.to_owned(),
        period_s: it.every.num_seconds(),
        last_slot_time: it.last_slot.map(timestamp),
        last_run_time: it.last_run.map(timestamp),
        next_slot_time: Some(timestamp(it.next_slot)),
        late: it.late,
    });
    Ok((schedules.collect(), test))
}

/// A check that failed without a measurement.
fn failed(name: &str, detail: &str) -> Check {
    Check { name: name.to_owned(), detail: detail.to_owned(), ..Default::default() }
}

/// The checks of the database. It is probed every second over its own connection, so that load does not look like an outage.
fn checks(measured: Option<Measurement>, silent_for: Option<Duration>, now: DateTime<Utc>) -> Vec<Check> {
    const MAX_AGE: TimeDelta = TimeDelta::seconds(10);
    let Some(measured) = measured else {
        return ["database", "migrations", "database_writes"]
            .map(|name| failed(name, "not measured yet"))
            .into();
    };
    let stale = now - measured.time > MAX_AGE;
    let answers = measured.history.is_some() && silent_for.is_none();
    let check = |name: &str, ok: bool, detail: String| Check {
        name: name.to_owned(),
        ok: ok && !stale,
        detail: if stale { "the last measurement is too old".to_owned() } else { detail },
        check_time: Some(timestamp(measured.time)),
        age_ms: (now - measured.time).num_milliseconds().max(0),
        duration_us: i64::try_from(measured.took.as_micros()).unwrap_or(i64::MAX),
    };
    let (ok, detail) = match measured.schema().filter(|_| answers) {
        None => (false, "unknown while the database does not answer".to_owned()),
        Some(Schema::Current) => (true, "current".to_owned()),
        Some(Schema::Behind(count)) => (false, format!("{count} to run: `levqor migrate`")),
        Some(Schema::Changed(count)) => {
            (false, format!("{count} were run in another form: the database belongs to another build"))
        }
        Some(Schema::Ahead(count)) => {
            (true, format!("{count} of a newer version were run; they are compatible"))
        }
    };
    let database = match silent_for {
        Some(silent_for) => format!("has not answered for {} ms", silent_for.as_millis()),
        None => if answers { "answers" } else { "does not answer" }.to_owned(),
    };
    let writes =
        if answers { measured.writes.as_str() } else { "unknown while the database does not answer" };
    vec![
        check("database", answers, database),
        check("migrations", ok, detail),
        check("database_writes", answers && measured.writes.are_taken(), writes.to_owned()),
    ]
}

async fn backlog<S: Service>(hosted: &Hosted<S>) -> Result<Backlog, DbError> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let depth = store::depth(&mut conn).await?;
    let journal = S::journal(&mut conn).await?;
    let (pending, quarantined) = journal.map_or((0, 0), |journal| (journal.pending, journal.quarantined));
    Ok(Backlog {
        waiting: depth.waiting,
        dead: depth.dead,
        oldest_due_age_s: depth.oldest_due_age_s,
        journal_pending: pending,
        journal_quarantined: quarantined,
    })
}
