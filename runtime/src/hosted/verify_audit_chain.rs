//! Verifies this service's audit chain, for compliance, which sends the last entry of the day before.

use levqor_proto_runtime::v1::{VerifyAuditChainRequest, VerifyAuditChainResponse};

use super::{Error, Hosted};
use crate::{
    audit::{self, Chain},
    context::Ctx,
    rpc::State,
    service::Service,
};

pub(super) async fn verify_audit_chain<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: VerifyAuditChainRequest,
) -> Result<VerifyAuditChainResponse, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let entry_count = match audit::verify(&mut conn).await? {
        Chain::Whole { entries } => entries,
        Chain::Broken { sequence } => {
            return Ok(VerifyAuditChainResponse { broken_sequence: sequence, ..Default::default() });
        }
    };
    let hash = audit::hash_of(&mut conn, entry_count).await?.unwrap_or_default();
    let earlier = audit::hash_of(&mut conn, request.earlier_sequence).await?;
    let is_cut = earlier.is_none_or(|earlier| earlier != request.earlier_hash);
    Ok(VerifyAuditChainResponse { entry_count, hash: hash.into(), broken_sequence: 0, is_cut })
}
