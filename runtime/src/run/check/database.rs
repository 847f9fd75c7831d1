//! Checks a service's database: whether it answers, its clock, its tables, its schedules, and its audit chain.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};

use super::super::ServiceConfig;
use crate::{
    audit::{self, Chain},
    check::{Check, Finding, clock},
    clock::Clock,
    db::{DatabaseUrl, DbError, migrations},
    schedule::{self, Schedule, Standing},
    service::Service,
};

/// How long the check of the audit chain may take: the chain grows with the business.
const CHAIN_PATIENCE: Duration = Duration::from_mins(2);
/// How long to wait before a late slot is checked again.
const GRACE: Duration = Duration::from_secs(3);

/// The checks of the database of `S` at this address.
#[must_use]
pub fn database<S: Service>(config: &ServiceConfig<S>, url: &DatabaseUrl) -> Vec<Check> {
    let name = |of: &str| format!("{}.{of}", S::NAME);
    vec![
        Check::new(name("database"), "SELECT server_version, clock_timestamp()", found(answers(url.clone()))),
        Check::new(name("migrations"), "the history of migrations", found(tables::<S>(url.clone()))),
        Check::new(name("schedules"), "the last slot of each", found(slots(url.clone(), config.schedules()))),
        Check::new(name("audit_chain"), "every audit entry and its hash", found(chain(url.clone())))
            .within(CHAIN_PATIENCE),
    ]
}

async fn connect(url: &DatabaseUrl) -> Result<PgConnection, DbError> {
    let options = url.options().clone().application_name("levqor-doctor");
    Ok(PgConnection::connect_with(&options).await?)
}

async fn found(asked: impl Future<Output = Result<Finding, DbError>>) -> Finding {
    asked.await.unwrap_or_else(|error| failed(&error))
}

/// The words of the error class: PostgreSQL's own text may hold the address, or rows.
fn failed(error: &DbError) -> Finding {
    let source = match error {
        DbError::Unavailable(error)
        | DbError::Conflict(error)
        | DbError::TextNotStorable(error)
        | DbError::Statement(error) => error,
        DbError::Constraint { source, .. } => source,
    };
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let code = code.map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    Finding::failed(format!("{error}{code}"))
}

async fn answers(url: DatabaseUrl) -> Result<Finding, DbError> {
    let ours = Clock::default();
    let mut conn = connect(&url).await?;
    let before = ours.now();
    let asked = sqlx::query_as::<_, (String, DateTime<Utc>)>(
        "SELECT current_setting('server_version'), clock_timestamp()",
    );
    let (version, theirs) = asked.fetch_one(&mut conn).await?;
    let skew = clock::skew(before, theirs, ours.now(), TimeDelta::zero());
    let version = version.split(' ').next().unwrap_or_default();
    let says = |words| format!("PostgreSQL {version}; {words}");
    Ok(clock::judge(skew).map(says).map_err(says).into())
}

async fn tables<S: Service>(url: DatabaseUrl) -> Result<Finding, DbError> {
    let history = migrations::compare(&mut connect(&url).await?, S::migrator()).await?;
    let counts = format!(
        "{} applied, {} pending, {} of a newer version",
        history.applied, history.pending, history.unknown
    );
    Ok(match history.schema() {
        migrations::Schema::Current => Finding::on(counts),
        migrations::Schema::Behind(_) => {
            Finding::failed(format!("{counts}: run `levqor migrate {}`", S::NAME))
        }
        migrations::Schema::Changed(changed) => Finding::failed(format!(
            "{counts}; {changed} were run in another form than this build's: the database belongs to another build"
        )),
        migrations::Schema::Ahead(_) => Finding::warning(format!(
            "{counts}: this binary is older than its database; they are compatible, but finish the roll-out"
        )),
    })
}

/// Whether some replica ran every slot that has begun.
async fn slots(url: DatabaseUrl, schedules: Vec<Schedule>) -> Result<Finding, DbError> {
    let mut conn = connect(&url).await?;
    let mut standings = schedule::standings(&mut conn, &schedules, Duration::MAX).await?;
    if standings.iter().any(|standing| standing.late) {
        // A mesh that just started, or a slot that just began, runs within a moment.
        tokio::time::sleep(GRACE).await;
        standings = schedule::standings(&mut conn, &schedules, Duration::MAX).await?;
    }
    let words = |standing: &Standing| {
        let last = standing.last_slot.map_or_else(|| "none".to_owned(), seconds);
        format!("{} (last {last}, next {})", standing.name, seconds(standing.next_slot))
    };
    let late: Vec<_> = standings.iter().filter(|standing| standing.late).map(words).collect();
    Ok(if late.is_empty() {
        Finding::on(standings.iter().map(words).collect::<Vec<_>>().join(", "))
    } else {
        Finding::failed(format!("late: {}", late.join(", ")))
    })
}

fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn chain(url: DatabaseUrl) -> Result<Finding, DbError> {
    Ok(match audit::verify(&mut connect(&url).await?).await? {
        Chain::Whole { entries } => Finding::on(format!("whole, {entries} entries")),
        Chain::Broken { sequence } => {
            Finding::failed(format!("broken at entry {sequence}: somebody changed or removed entries"))
        }
    })
}
