//! The recorded erasures and the ended holds, for the services that do not keep them: they ask compliance, which does.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use levqor_proto_runtime::v1::{
    EndedHold, GetEndedHoldsRequest, GetRecordedErasureIdsRequest, GetRecordedErasuresRequest,
    RecordedErasure, ledger_service_client::LedgerServiceClient,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    chassis::Chassis,
    client::Peer,
    db::DbError,
    id,
    privacy::{self, Erasures, HoldChange, HoldKind, LedgerError, LedgerKey, Recorded, Subject},
    service::Service,
    wire_enum::WireEnum,
};

/// The service that keeps the ledger.
pub(crate) const KEEPER: &str = "compliance";
/// The most erasures that are read at once.
pub(crate) const BATCH: usize = 25;
/// The most holds that are asked about at once.
pub(crate) const HOLDS: i64 = 100;
/// How long to wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(25);
/// How long a look at one person may take.
const TIMEOUT_OF_ONE: Duration = Duration::from_secs(5);

/// Why the recorded erasures are not known. This may be temporary.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// The ledger was not shown.
    #[error("compliance did not show the ledger of erasures, or the holds: {0}")]
    Unanswered(&'static str),
    /// The own database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The ids of the recorded erasures after this one, in their order. None: there are no more.
pub(crate) async fn ids(chassis: &Chassis, after: Uuid) -> Result<Vec<Uuid>, NotShown> {
    let request = GetRecordedErasureIdsRequest {
        service: KEEPER.to_owned(),
        after_erasure_id: after.hyphenated().to_string(),
    };
    let answer =
        ask(chassis, request, async |mut keeper, request| keeper.get_recorded_erasure_ids(request).await);
    Ok(answer.await?.erasure_ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect())
}

/// The ids of the recorded erasures, for the service that keeps them, and the erasures that it carries out. Fails if one is missing that is
/// recorded according to its database.
pub(crate) async fn own_ids<S: Service>(service: &S) -> Result<(BTreeSet<Uuid>, Erasures), LedgerError> {
    let db = &service.chassis().db;
    // Asked before: each erasure that is recorded by now must be in the list.
    let before = service.erasures(&mut *db.acquire().await?).await?;
    let ids = match service.ledger() {
        Some(ledger) => ledger.ids().await?,
        None => BTreeSet::new(),
    };
    if before.ending.union(&before.complete).any(|id| !ids.contains(id)) {
        return Err(LedgerError::Missing);
    }
    // And after: each erasure in the list that still runs must be known as such.
    let after = service.erasures(&mut *db.acquire().await?).await?;
    Ok((ids, after))
}

/// Recorded erasures, and the key of their hashes.
pub(crate) async fn read(chassis: &Chassis, ids: &[Uuid]) -> Result<(LedgerKey, Vec<Recorded>), NotShown> {
    let request = GetRecordedErasuresRequest {
        service: KEEPER.to_owned(),
        erasure_ids: ids.iter().map(|id| id.hyphenated().to_string()).collect(),
    };
    let answer =
        ask(chassis, request, async |mut keeper, request| keeper.get_recorded_erasures(request).await);
    let answer = answer.await?;
    let recorded: Option<Vec<_>> = answer.erasures.into_iter().map(from_wire).collect();
    let recorded = recorded.ok_or(NotShown::Unanswered("an entry is not whole"))?;
    Ok((LedgerKey::new(&answer.hash_key), recorded))
}

/// The holds that have ended among these.
pub(crate) async fn ended_holds(chassis: &Chassis, ids: &[Uuid]) -> Result<Vec<HoldChange>, NotShown> {
    let request = GetEndedHoldsRequest {
        service: KEEPER.to_owned(),
        hold_ids: ids.iter().map(|id| id.hyphenated().to_string()).collect(),
    };
    let answer = ask(chassis, request, async |mut keeper, request| keeper.get_ended_holds(request).await);
    let ended: Option<Vec<_>> = answer.await?.holds.iter().map(ended).collect();
    ended.ok_or(NotShown::Unanswered("a hold is not whole"))
}

/// `None` if something is missing.
fn ended(hold: &EndedHold) -> Option<HoldChange> {
    Some(HoldChange {
        id: Uuid::parse_str(&hold.hold_id).ok()?,
        kind: HoldKind::from_wire(hold.kind).ok()??,
        subject: Subject::default(),
        stands: false,
        change_time: instant(hold.change_time?)?,
    })
}

fn instant(time: prost_types::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
}

/// `None` if something is missing.
fn from_wire(erasure: RecordedErasure) -> Option<Recorded> {
    let record_time = instant(erasure.record_time?)?;
    Some(Recorded { id: Uuid::parse_str(&erasure.erasure_id).ok()?, hashes: erasure.hashes, record_time })
}

/// Whether a recorded erasure of this person was complete in this database at or after an instant. The ledger is asked only if any erasure
/// was. Compliance does not show an erasure that still runs: it erases this service once more, so it finds what the event stores.
pub async fn was_erased_since(
    chassis: &Chassis,
    subject: &Subject,
    since: DateTime<Utc>,
) -> Result<bool, NotShown> {
    if subject.is_empty() {
        return Ok(false);
    }
    let here = privacy::completed_since(&mut *chassis.db.acquire().await?, since).await?;
    if here.is_empty() {
        return Ok(false);
    }
    let is_among = is_among(chassis, subject, &here);
    let answer = tokio::time::timeout(TIMEOUT_OF_ONE, is_among).await;
    answer.map_err(|_| NotShown::Unanswered("no answer in time"))?
}

/// Whether one of these erasures is recorded, and is of this person.
async fn is_among(chassis: &Chassis, subject: &Subject, erasures: &BTreeSet<Uuid>) -> Result<bool, NotShown> {
    let mut after = Uuid::nil();
    loop {
        let ids = ids(chassis, after).await?;
        let Some(last) = ids.last() else { return Ok(false) };
        after = *last;
        let recorded: Vec<_> = ids.into_iter().filter(|id| erasures.contains(id)).collect();
        for batch in recorded.chunks(BATCH) {
            let (key, recorded) = read(chassis, batch).await?;
            let hashes = key.hashes(subject);
            if recorded.iter().flat_map(|it| &it.hashes).any(|hash| hashes.contains(hash)) {
                return Ok(true);
            }
        }
    }
}

/// Asks the keeper.
async fn ask<R, T, F>(
    chassis: &Chassis,
    request: R,
    call: impl FnOnce(LedgerServiceClient<Peer>, Request<R>) -> F,
) -> Result<T, NotShown>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let request_id = id::request_id();
    let answer = chassis.ask(KEEPER, &request_id, TIMEOUT, request, |channel, request| {
        call(LedgerServiceClient::new(channel), request)
    });
    answer.await.map_err(|unanswered| NotShown::Unanswered(unanswered.reason()))
}
