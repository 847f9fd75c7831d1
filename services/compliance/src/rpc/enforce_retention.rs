//! Has every service erase what is older than its retention period, for a schedule, and keeps a report of each service. Before, every service
//! is told of the holds that stand: where that fails, nothing is erased. If a service gave no answer, the call fails when the others have
//! erased, and is tried again.

use levqor_proto_compliance::v1::{EnforceRetentionRequest, EnforceRetentionResponse};
use levqor_runtime::{context::Ctx, db};

use crate::{
    Compliance,
    domain::retention::{self, RetentionReport, RetentionReportId, RetentionState},
    error::Error,
    holding,
    peers::Peers,
    store::retention_reports,
};

/// How often one service is called, at most: each call goes on for some seconds.
const ROUNDS: usize = 30;

pub(super) async fn enforce_retention(
    compliance: &Compliance,
    ctx: Ctx,
    _: EnforceRetentionRequest,
) -> Result<EnforceRetentionResponse, Error> {
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let mut response = EnforceRetentionResponse::default();
    peers.wait_for_start().await;
    holding::tell_all(compliance, &peers).await?;
    let mut unanswered = None;
    for service in peers.names() {
        let (mut outcomes, mut state) = (Vec::new(), RetentionState::Incomplete);
        for _ in 0..ROUNDS {
            match peers.apply_retention(service).await {
                Ok(answer) => {
                    retention::add(&mut outcomes, answer.outcomes);
                    if answer.complete {
                        state = RetentionState::Complete;
                        break;
                    }
                }
                Err(error) => {
                    state = RetentionState::Unanswered;
                    unanswered = Some(error);
                    break;
                }
            }
        }
        let mut conn = compliance.chassis.db.acquire().await?;
        let create_time = db::now(&mut conn).await?;
        let id = RetentionReportId::new_at(create_time);
        let report = RetentionReport { id, service: service.to_owned(), state, outcomes, create_time };
        retention_reports::insert(&mut conn, &report).await?;
        response.erased.extend(report.erased().into_iter().map(Into::into));
    }
    for erased in &response.erased {
        tracing::info!(
            service = erased.service,
            table = erased.table,
            rows = erased.rows,
            "what was too old was erased"
        );
    }
    let rows: i64 = response.erased.iter().map(|erased| erased.rows).sum();
    tracing::info!(rows, "retention periods were enforced");
    unanswered.map_or(Ok(response), |unanswered| Err(unanswered.into()))
}
