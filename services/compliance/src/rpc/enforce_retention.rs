//! Asks every service to erase rows that are older than their retention period, for a schedule, and keeps a report of each service. First
//! it tells every service of the holds that are in force, and before each call of those that were placed since: if that fails, nothing
//! more is erased. If a service gave no answer, the call fails after the others have erased. The retry continues the report of that
//! service.

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

/// How often one service is called, at most: each call works for some seconds.
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
        let mut report = begin(compliance, service).await?;
        match apply(compliance, &peers, service, &mut report).await {
            Ok(state) => report.state = state,
            Err(error) => unanswered = Some(error),
        }
        retention_reports::update(&mut *compliance.chassis.db.acquire().await?, &report).await?;
        response.erased.extend(report.erased().into_iter().map(Into::into));
    }
    for erased in &response.erased {
        tracing::info!(
            service = erased.service,
            table = erased.table,
            rows = erased.rows,
            "rows past their retention period were erased"
        );
    }
    let rows: i64 = response.erased.iter().map(|erased| erased.rows).sum();
    tracing::info!(rows, "retention periods were enforced");
    unanswered.map_or(Ok(response), Err)
}

/// The report of a service, stored before the call. A run whose answer was lost continues, so that its report counts everything.
async fn begin(compliance: &Compliance, service: &str) -> Result<RetentionReport, Error> {
    let mut conn = compliance.chassis.db.acquire().await?;
    if let Some(report) = retention_reports::unanswered(&mut conn, service).await? {
        return Ok(report);
    }
    let create_time = db::now(&mut conn).await?;
    let report = RetentionReport {
        id: RetentionReportId::new_at(create_time),
        service: service.to_owned(),
        state: RetentionState::Unanswered,
        outcomes: Vec::new(),
        create_time,
    };
    retention_reports::insert(&mut conn, &report).await?;
    Ok(report)
}

/// Calls a service until nothing more is too old there, or often enough. Returns how far it came.
async fn apply(
    compliance: &Compliance,
    peers: &Peers<'_>,
    service: &str,
    report: &mut RetentionReport,
) -> Result<RetentionState, Error> {
    for _ in 0..ROUNDS {
        holding::tell_placing(compliance, peers).await?;
        let answer = peers.apply_retention(service, report.id).await?;
        retention::take(&mut report.outcomes, answer.outcomes);
        if answer.complete {
            return Ok(RetentionState::Complete);
        }
    }
    Ok(RetentionState::Incomplete)
}
