//! Compares a service's database with the ledger of erasures, once, before the service serves. A restored backup may contain people
//! who were erased after it, and holds that ended after it: they are erased, or ended, again.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::{
    chassis::Chassis,
    context::Actor,
    db::DbError,
    email::Email,
    erased,
    privacy::{
        self, Catalogue, CatalogueError, Erasure, Erasures, LedgerError, LedgerKey, Progress, Recorded,
        Search, Subject,
    },
    recorded::{self, BATCH, HOLDS, KEEPER, NotShown},
    service::Service,
};

/// Why the comparison failed. It is made again.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompareError {
    #[error(transparent)]
    NotShown(#[from] NotShown),
    #[error("an erasure that a restore undid leaves {rows} rows, for example in {table}")]
    Left { rows: i64, table: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Erases the people of the ledger who still have rows in this database. Returns how many erasures were made again. Fails if something of
/// such a person is left. An erasure that the service itself still carries out is left to it: its last steps come after the ledger.
/// `found` keeps who was found in earlier tries: a try that failed may have erased what identified them.
pub(super) async fn compare<S: Service>(
    service: &Arc<S>,
    chassis: &Chassis,
    found: &mut BTreeMap<Uuid, Subject>,
) -> Result<usize, CompareError> {
    let catalogue = Catalogue::read(&mut *chassis.db.acquire().await?).await?;
    let (mut after, mut again) = (Uuid::nil(), 0);
    loop {
        let ids = ids(service, chassis, after).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        let mut conn = chassis.db.acquire().await?;
        let mut known = privacy::applied(&mut conn, &ids).await?;
        let Erasures { running, ending, .. } = service.erasures(&mut conn).await?;
        known.extend(running.into_iter().chain(ending));
        drop(conn);
        let missing: Vec<_> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        for batch in missing.chunks(BATCH) {
            let (key, recorded) = read(service, chassis, batch).await?;
            let mut tx = chassis.db.begin().await?;
            // It reads whole tables, once, before requests are served.
            sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.map_err(DbError::from)?;
            let subjects = privacy::subjects(&mut tx, &catalogue, &key, &recorded).await?;
            tx.commit().await?;
            for (id, subject) in subjects {
                found.entry(id).or_default().add(subject);
            }
            for erasure in &recorded {
                let subject = found.get(&erasure.id).cloned().unwrap_or_default();
                erase(service, chassis, &catalogue, erasure, &subject).await?;
                again += usize::from(!subject.is_empty());
            }
        }
    }
    end_holds(service, chassis).await?;
    Ok(again)
}

/// Ends the holds that are in force in this database but have ended at compliance.
async fn end_holds<S: Service>(service: &Arc<S>, chassis: &Chassis) -> Result<(), CompareError> {
    // Only compliance knows which of its own holds have ended.
    if S::NAME == KEEPER {
        return Ok(());
    }
    let mut after = Uuid::nil();
    loop {
        let ids = privacy::standing_ids(&mut *chassis.db.acquire().await?, after, HOLDS).await?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = *last;
        for change in recorded::ended_holds(chassis, &ids).await? {
            let mut tx = chassis.db.begin().await?;
            let change = privacy::apply_hold(&mut tx, change).await?;
            service.held(&mut tx, &change).await?;
            tx.commit().await?;
        }
    }
}

/// Erases one subject again. Rows do not wait for an end of their own. It is complete only if nothing is left.
async fn erase<S: Service>(
    service: &Arc<S>,
    chassis: &Chassis,
    catalogue: &Catalogue,
    recorded: &Recorded,
    subject: &Subject,
) -> Result<(), CompareError> {
    let hash = |email: &String| service.address_hash(&email.parse::<Email>().ok()?);
    let search = Search::new(subject, subject.emails.iter().filter_map(hash).collect());
    let erasure = Erasure { id: recorded.id, subject, catalogue, search: &search, waits: false };
    // No legal hold stops it: an erasure that a hold can still stop is left to compliance.
    while let Progress::Partial(_) = privacy::erase(&chassis.db, &erasure, None).await? {}
    let left = privacy::left(&mut *chassis.db.acquire().await?, catalogue, &search).await?;
    if let Some((table, _)) = left.first() {
        let rows = left.iter().map(|(_, rows)| rows).sum();
        return Err(CompareError::Left { rows, table: table.clone() });
    }
    let actor = Actor::Service(S::NAME.to_owned());
    Ok(erased::finish(&**service, &actor, recorded.id, subject, Some(recorded.record_time)).await?)
}

async fn ids<S: Service>(
    service: &Arc<S>,
    chassis: &Chassis,
    after: Uuid,
) -> Result<Vec<Uuid>, CompareError> {
    if S::NAME != KEEPER {
        return Ok(recorded::ids(chassis, after).await?);
    }
    let (ids, _) = recorded::own_ids(&**service).await?;
    // With another key no person would be found. So the last entries are read, also if nothing was restored.
    if let Some(ledger) = service.ledger() {
        let last: Vec<_> = ids.iter().rev().take(BATCH).copied().collect();
        ledger.read(&last).await?;
    }
    Ok(ids.into_iter().filter(|id| *id > after).collect())
}

async fn read<S: Service>(
    service: &Arc<S>,
    chassis: &Chassis,
    ids: &[Uuid],
) -> Result<(LedgerKey, Vec<Recorded>), CompareError> {
    if S::NAME != KEEPER {
        return Ok(recorded::read(chassis, ids).await?);
    }
    let ledger = service.ledger().ok_or(LedgerError::Missing)?;
    Ok((ledger.key.clone(), ledger.read(ids).await?))
}
