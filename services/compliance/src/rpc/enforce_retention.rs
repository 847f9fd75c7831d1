//! Has every service erase what is older than its retention period, for a schedule. Before, every service is told of the holds that stand:
//! where that fails, nothing is erased. If a service gave no answer, the call fails when the others have erased, and is tried again.

use levqor_proto_compliance::v1::{EnforceRetentionRequest, EnforceRetentionResponse};
use levqor_runtime::context::Ctx;

use crate::{Compliance, domain::erasure::Receipt, error::Error, holding, peers::Peers};

/// How often one service is called, at most: each call goes on for some seconds.
const ROUNDS: usize = 30;

pub(super) async fn enforce_retention(
    compliance: &Compliance,
    ctx: Ctx,
    _: EnforceRetentionRequest,
) -> Result<EnforceRetentionResponse, Error> {
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let mut report = EnforceRetentionResponse::default();
    peers.wait_for_start().await;
    holding::tell_all(compliance, &peers).await?;
    let mut unanswered = None;
    for service in peers.names() {
        for _ in 0..ROUNDS {
            match peers.apply_retention(service).await {
                Ok(answer) => {
                    report.erased.extend(Receipt::of(service, answer.erased).into_iter().map(Into::into));
                    if answer.complete {
                        break;
                    }
                }
                Err(error) => {
                    unanswered = Some(error);
                    break;
                }
            }
        }
    }
    for erased in &report.erased {
        tracing::info!(
            service = erased.service,
            table = erased.table,
            rows = erased.rows,
            "what was too old was erased"
        );
    }
    let rows: i64 = report.erased.iter().map(|erased| erased.rows).sum();
    tracing::info!(rows, "retention periods were enforced");
    unanswered.map_or(Ok(report), |unanswered| Err(unanswered.into()))
}
