//! Gets recorded erasures, for the other services.

use levqor_proto_runtime::v1::{GetRecordedErasuresRequest, GetRecordedErasuresResponse, RecordedErasure};

use super::{Error, Hosted, read_ids};
use crate::{clock::timestamp, context::Ctx, privacy::LedgerError, service::Service};

pub(super) async fn get_recorded_erasures<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetRecordedErasuresRequest,
) -> Result<GetRecordedErasuresResponse, Error> {
    let ids = read_ids("erasure_ids", &request.erasure_ids, "erasures")?;
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
