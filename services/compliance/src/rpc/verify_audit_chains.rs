//! Verifies the audit chain of every service now, for admins.

use levqor_proto_compliance::v1::{VerifyAuditChainsRequest, VerifyAuditChainsResponse};
use levqor_runtime::context::Ctx;

use crate::{Compliance, chains, error::Error};

pub(super) async fn verify_audit_chains(
    compliance: &Compliance,
    ctx: Ctx,
    _: VerifyAuditChainsRequest,
) -> Result<VerifyAuditChainsResponse, Error> {
    let checked = chains::check(compliance, &ctx).await?;
    if let Some(unanswered) = &checked.unanswered {
        tracing::warn!(
            error = unanswered as &dyn std::error::Error,
            "a service did not verify its audit chain"
        );
    }
    Ok(VerifyAuditChainsResponse { audit_chains: checked.chains })
}
