//! Gives the lines of this service for a report to operators: its own, and those about its deferred calls, its capabilities and
//! the test of its error reports. Notifications calls it.

use chrono::DateTime;
use levqor_proto_runtime::v1::{GetDigestRequest, GetDigestResponse};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    db::DbError,
    deferred::store,
    digest::{Period, Report},
    error::{Invalid, Violations},
    rpc::State,
    self_test::{self, Outcome},
    service::{CapabilityState, Service},
};

/// The subject of the line about this test.
const TEST: &str = "The weekly test of error reports (Sentry)";

pub(super) async fn get_digest<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetDigestRequest,
) -> Result<GetDigestResponse, Error> {
    let period: Period = (&request).try_into()?;
    let mut conn = hosted.chassis().db.acquire().await?;
    let mut lines = hosted.service.digest(&mut conn, &period).await?;
    match period.report {
        Report::DailyOperations | Report::WeeklyPulse => {}
        Report::DailyErrors => lines.extend(failures(hosted, &mut conn).await?),
        Report::WeeklyGovernance => {
            lines.extend(failures(hosted, &mut conn).await?);
            let reports_are_on = hosted.error_reports.is_some();
            let outcome = self_test::outcome(&mut conn, self_test::ERROR_REPORTS).await?;
            lines.push(of_error_reports(reports_are_on, outcome));
        }
    }
    Ok(GetDigestResponse { lines })
}

/// The work that needs a person now.
async fn failures<S: Service>(
    hosted: &Hosted<S>,
    conn: &mut sqlx::PgConnection,
) -> Result<Vec<String>, DbError> {
    let mut lines = Vec::new();
    let dead = store::depth(conn).await?.dead;
    if dead > 0 {
        lines.push(format!("{dead} deferred calls are dead: `levqor dead-letters` lists them"));
    }
    if let Some(journal) = S::journal(conn).await?.filter(|journal| journal.quarantined > 0) {
        lines.push(format!(
            "{} events are quarantined: `levqor dead-letters` lists them",
            journal.quarantined
        ));
    }
    let capabilities = super::capabilities(&*hosted.service);
    let failed = capabilities.into_iter().filter(|it| it.state == CapabilityState::Failed);
    lines.extend(failed.map(|it| format!("{} fails: {}", it.name, it.reason)));
    Ok(lines)
}

/// The result of the weekly test of error reports.
fn of_error_reports(are_on: bool, outcome: Option<Outcome>) -> String {
    let day = |time: DateTime<_>| time.format("%Y-%m-%d %H:%M UTC").to_string();
    match outcome {
        _ if !are_on => format!("{TEST} is off: SENTRY_DSN is not set"),
        None => format!("{TEST} has not run yet"),
        Some(Outcome { last_success_time: Some(succeeded), last_failure_time, .. })
            if last_failure_time.is_none_or(|failed| failed < succeeded) =>
        {
            format!("{TEST} arrived on {}", day(succeeded))
        }
        Some(Outcome { last_failure_time: Some(failed), failure, .. }) => {
            format!("{TEST} failed on {}: {failure}", day(failed))
        }
        Some(_) => format!("{TEST} has no outcome"),
    }
}

impl TryFrom<&GetDigestRequest> for Period {
    type Error = Invalid;

    fn try_from(request: &GetDigestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let report = violations.field_enum("report", request.report);
        let begin = violations.field_time("begin_time", request.begin_time.as_ref());
        let end = violations.field_time("end_time", request.end_time.as_ref());
        let period = || Some(Self { report: report?, begin: begin?, end: end? });
        violations.finish(period())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_outcome_of_the_weekly_test_is_reported() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let outcome = |success, failure| Outcome {
            last_success_time: success,
            last_failure_time: failure,
            failure: "no answer".to_owned(),
        };
        for (are_on, outcome, expected) in [
            (false, None, "is off: SENTRY_DSN is not set"),
            (true, None, "has not run yet"),
            (true, Some(outcome(at(60), None)), "arrived on 1970-01-01 00:01 UTC"),
            (true, Some(outcome(at(60), at(0))), "arrived on 1970-01-01 00:01 UTC"),
            (true, Some(outcome(at(0), at(60))), "failed on 1970-01-01 00:01 UTC: no answer"),
        ] {
            assert_eq!(of_error_reports(are_on, outcome), format!("{TEST} {expected}"));
        }
    }
}
