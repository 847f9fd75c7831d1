//! The check of all audit chains, on demand and every day.

use levqor_proto_compliance::v1::AuditChain;
use levqor_proto_runtime::v1::VerifyAuditChainRequest;
use levqor_runtime::context::Ctx;

use crate::{
    Compliance,
    domain::audit_chain::{Found, State},
    error::Error,
    operators,
    peers::{PeerError, Peers},
    store::audit_checks,
};

/// The results of a check.
#[derive(Default)]
pub(crate) struct Checked {
    /// The chain of each service.
    pub(crate) chains: Vec<AuditChain>,
    /// Why a service did not verify its chain; of several services, the last one's reason.
    pub(crate) unanswered: Option<PeerError>,
}

/// Verifies the chain of every service, and saves the results. Operators get one notice of a chain that is not whole.
pub(crate) async fn check(compliance: &Compliance, ctx: &Ctx) -> Result<Checked, Error> {
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let mut checked = Checked::default();
    for service in peers.names() {
        let mut conn = compliance.chassis.db.acquire().await?;
        let earlier = audit_checks::last_entry(&mut conn, service).await?.unwrap_or_default();
        drop(conn);
        let request = VerifyAuditChainRequest {
            service: service.to_owned(),
            earlier_sequence: earlier.sequence,
            earlier_hash: earlier.hash.into(),
        };
        let found = match peers.verify_chain(service, request).await {
            Ok(answer) => Some(Found::from(answer)),
            Err(error) => {
                checked.unanswered = Some(error);
                None
            }
        };
        if let Some(found) = &found {
            save(compliance, service, found).await?;
        }
        checked.chains.push(Found::wire(service, found.as_ref()));
    }
    Ok(checked)
}

async fn save(compliance: &Compliance, service: &str, found: &Found) -> Result<(), Error> {
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let earlier = audit_checks::put(&mut tx, service, found, now).await?;
    if found.state != State::Whole && earlier != Some(found.state) {
        tracing::error!(service, "the audit chain of a service is not whole");
        operators::chain_not_whole(&mut tx, service, found, now).await?;
    }
    tx.commit().await?;
    Ok(())
}
