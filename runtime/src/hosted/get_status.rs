//! Measures how the service is: its database, its tables, what is put off, what it can do.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto::runtime::v1::{Backlog, Check, GetStatusRequest, GetStatusResponse, capability};

use super::{Error, Hosted, timestamp};
use crate::{
    context::Ctx,
    db::{DbError, migrations::Schema},
    deferred::store,
    lifecycle::Measurement,
    rpc::State,
    service::{JournalDepth, Service},
    telemetry,
};

pub(super) async fn get_status<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    _: GetStatusRequest,
) -> Result<GetStatusResponse, Error> {
    let mut checks = checks(hosted.readiness.measured(), hosted.chassis().clock.now());
    // Absent where it cannot be measured: zeros would be a claim.
    let backlog = backlog(&hosted).await.ok();
    if hosted.readiness.is_draining() {
        checks.push(Check {
            name: "lifecycle".to_owned(),
            detail: "draining".to_owned(),
            ..Default::default()
        });
    }
    let capabilities =
        hosted.service.capabilities().into_iter().chain(telemetry::capabilities()).map(|capability| {
            let state = if capability.on { capability::State::On } else { capability::State::Off };
            levqor_proto::runtime::v1::Capability {
                name: capability.name.to_owned(),
                state: state.into(),
                reason: capability.reason,
            }
        });
    Ok(GetStatusResponse {
        service: S::NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: checks.iter().all(|check| check.ok),
        capabilities: capabilities.collect(),
        backlog,
        checks,
    })
}

/// The database is asked every second, over a connection of its own, so that load does not look like an outage.
fn checks(measured: Option<Measurement>, now: DateTime<Utc>) -> Vec<Check> {
    const FRESH: TimeDelta = TimeDelta::seconds(10);
    let Some(measured) = measured else {
        let check = |name: &str| Check {
            name: name.to_owned(),
            detail: "not measured yet".to_owned(),
            ..Default::default()
        };
        return vec![check("database"), check("migrations")];
    };
    let stale = now - measured.time > FRESH;
    let check = |name: &str, ok: bool, detail: String| Check {
        name: name.to_owned(),
        ok: ok && !stale,
        detail: if stale { "the last measurement is too old".to_owned() } else { detail },
        check_time: Some(timestamp(measured.time)),
        duration_us: i64::try_from(measured.took.as_micros()).unwrap_or(i64::MAX),
    };
    let (ok, detail) = match measured.schema {
        None => (false, "unknown while the database does not answer".to_owned()),
        Some(Schema::Current) => (true, "current".to_owned()),
        Some(Schema::Behind(count)) => (false, format!("{count} to run: `levqor migrate`")),
        Some(Schema::Ahead(count)) => {
            (true, format!("{count} of a newer version were run; they are compatible"))
        }
    };
    let answers = if measured.schema.is_some() { "answers" } else { "does not answer" };
    vec![check("database", measured.schema.is_some(), answers.to_owned()), check("migrations", ok, detail)]
}

async fn backlog<S: Service>(hosted: &Hosted<S>) -> Result<Backlog, DbError> {
    let depth = store::depth(&mut *hosted.chassis().db.acquire().await?).await?;
    let JournalDepth { pending, quarantined } = hosted.service.journal().await?;
    Ok(Backlog {
        waiting: depth.waiting,
        dead: depth.dead,
        oldest_due_age_s: depth.oldest_due_age_s,
        journal_pending: pending,
        journal_quarantined: quarantined,
    })
}
