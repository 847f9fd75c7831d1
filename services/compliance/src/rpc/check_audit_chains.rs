//! Checks the audit chain of every service, for a schedule. If a service gave no answer, the call fails
//! when the others are checked, and is tried again.

use levqor_proto_compliance::v1::{CheckAuditChainsRequest, CheckAuditChainsResponse};
use levqor_runtime::context::Ctx;

use crate::{Compliance, chains, error::Error, peers::Peers};

pub(super) async fn check_audit_chains(
    compliance: &Compliance,
    ctx: Ctx,
    _: CheckAuditChainsRequest,
) -> Result<CheckAuditChainsResponse, Error> {
    Peers::new(&compliance.chassis, &ctx.request_id).wait_for_start().await;
    let checked = chains::check(compliance, &ctx).await?;
    match checked.unanswered {
        Some(unanswered) => Err(unanswered.into()),
        None => Ok(CheckAuditChainsResponse { audit_chains: checked.chains }),
    }
}
