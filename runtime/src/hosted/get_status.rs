//! Measures how the service is: its database, its tables, what is put off, what it can do.

use std::{sync::Arc, time::Instant};

use levqor_proto::runtime::v1::{Backlog, Check, GetStatusRequest, GetStatusResponse, capability};

use super::{Error, Hosted, timestamp};
use crate::{
    context::Ctx,
    db::{
        DbError,
        migrations::{self, Schema},
    },
    deferred::store,
    rpc::State,
    service::{JournalDepth, Service},
};

pub(super) async fn get_status<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    _: GetStatusRequest,
) -> Result<GetStatusResponse, Error> {
    let chassis = hosted.chassis();
    let database = measure(&hosted, "database", || async {
        let mut conn = chassis.db.acquire().await?;
        crate::db::now(&mut conn).await.map(|_| (true, "answers".to_owned()))
    })
    .await;
    let migrations = measure(&hosted, "migrations", || async {
        let mut conn = chassis.db.acquire().await?;
        Ok(match migrations::compare(&mut conn, S::migrator()).await? {
            Schema::Current => (true, "current".to_owned()),
            Schema::Behind(count) => (false, format!("{count} to run: `levqor migrate`")),
            Schema::Ahead(count) => {
                (true, format!("{count} of a newer version were run; they are compatible"))
            }
        })
    })
    .await;
    let mut checks = vec![database, migrations];
    // Absent where it cannot be measured: zeros would be a claim.
    let backlog = backlog(&hosted).await.ok();
    if hosted.readiness.is_draining() {
        checks.push(Check {
            name: "lifecycle".to_owned(),
            detail: "draining".to_owned(),
            ..Default::default()
        });
    }
    let capabilities = hosted.service.capabilities().into_iter().map(|capability| {
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

async fn measure<S: Service, F>(hosted: &Hosted<S>, name: &str, check: impl FnOnce() -> F) -> Check
where
    F: Future<Output = Result<(bool, String), DbError>>,
{
    let check_time = timestamp(hosted.chassis().clock.now());
    let begun = Instant::now();
    let (ok, detail) = check().await.unwrap_or_else(|error| (false, error.to_string()));
    let duration_us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
    Check { name: name.to_owned(), ok, detail, check_time: Some(check_time), duration_us }
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
