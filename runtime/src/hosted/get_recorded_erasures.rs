//! Gets recorded erasures, for the other services.

use levqor_proto_runtime::v1::{GetRecordedErasuresRequest, GetRecordedErasuresResponse, RecordedErasure};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{clock::timestamp, context::Ctx, error::Violations, privacy::LedgerError, service::Service};

/// The most erasures of one answer.
const MOST: usize = 100;

pub(super) async fn get_recorded_erasures<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetRecordedErasuresRequest,
) -> Result<GetRecordedErasuresResponse, Error> {
    let mut violations = Violations::new();
    let ids: Option<Vec<_>> = request.erasure_ids.iter().map(|id| Uuid::parse_str(id).ok()).collect();
    let ids = ids.filter(|ids| ids.len() <= MOST);
    if ids.is_none() {
        violations.add("erasure_ids", format!("expected at most {MOST} ids of erasures (UUIDs)"));
    }
    let ids = violations.finish(ids)?;
    let ledger = hosted.service.ledger().ok_or(LedgerError::Missing)?;
    let erasures = ledger.read(&ids).await?.into_iter();
    let erasures = erasures.map(|it| RecordedErasure {
        erasure_id: it.id.hyphenated().to_string(),
        hashes: it.hashes,
        record_time: Some(timestamp(it.record_time)),
    });
    Ok(GetRecordedErasuresResponse {
        hash_key: ledger.key.bytes().to_vec().into(),
        erasures: erasures.collect(),
    })
}
