//! Records that staff notified the affected people of a breach, for staff; recorded in the audit chain.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{RecordPeopleNoticeRequest, RecordPeopleNoticeResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::record_regulator_notice::IN_BETWEEN;
use crate::{
    Compliance,
    domain::{
        breach::{BreachId, PeopleNotice},
        text::Line,
    },
    error::Error,
    store::breaches,
};

pub(super) async fn record_people_notice(
    compliance: &Compliance,
    ctx: Ctx,
    request: RecordPeopleNoticeRequest,
) -> Result<RecordPeopleNoticeResponse, Error> {
    let Command { id, time, count, means } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let mut breach = breaches::lock(tx, id).await?.ok_or(Error::BreachNotFound)?;
        let now = tx.now().await?;
        let time = time.unwrap_or(now);
        if !breach.accepts_event_time(time, now) {
            return Err(Invalid::of("notice_time", IN_BETWEEN).into());
        }
        breach.tell_people(PeopleNotice { time, count, means: means.into_string() })?;
        breaches::update(tx, &breach).await?;
        let response = RecordPeopleNoticeResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.tell_people", &[("breach_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: BreachId,
    time: Option<DateTime<Utc>>,
    count: i64,
    means: Line,
}

impl TryFrom<&RecordPeopleNoticeRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RecordPeopleNoticeRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("breach_id", &request.breach_id);
        let time = violations.filter_time("notice_time", request.notice_time.as_ref());
        let means = violations.field("means", &request.means);
        let count = request.people_count;
        if count < 1 {
            violations.add("people_count", "expected at least 1");
        }
        violations.finish(id.zip(means).map(|(id, means)| Self { id, time, count, means }))
    }
}
