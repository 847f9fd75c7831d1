//! Records that the regulator was notified of a breach, for staff; recorded in the audit chain. Staff have informed the
//! regulator themselves; this only records it.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{RecordRegulatorNoticeRequest, RecordRegulatorNoticeResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{
        breach::{BreachId, RegulatorNotice},
        data_request::Reasons,
        text::Line,
    },
    error::Error,
    operators,
    store::breaches,
};

pub(super) async fn record_regulator_notice(
    compliance: &Compliance,
    ctx: Ctx,
    request: RecordRegulatorNoticeRequest,
) -> Result<RecordRegulatorNoticeResponse, Error> {
    let Command { id, time, reference, delay_reasons } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let mut breach = breaches::lock(tx, id).await?.ok_or(Error::BreachNotFound)?;
        let now = tx.now().await?;
        let time = time.unwrap_or(now);
        if !breach.accepts_event_time(time, now) {
            return Err(Invalid::of("notice_time", IN_BETWEEN).into());
        }
        if time > breach.due_time && delay_reasons.is_none() {
            return Err(Invalid::of("delay_reasons", LATE).into());
        }
        breach.notify(RegulatorNotice { time, reference, delay_reasons })?;
        breaches::update(tx, &breach).await?;
        operators::breach_decided(tx, &breach, now).await?;
        let response = RecordRegulatorNoticeResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.notify", &[("breach_id", &id)]))
    })
    .await
}

/// The expected time of a notice, for the violation.
pub(super) const IN_BETWEEN: &str = "expected a time after the breach became known, and not in the future";
const LATE: &str =
    "expected the reasons for the delay: the notice came after the 72 hours (GDPR, article 33(1))";

/// A valid request.
struct Command {
    id: BreachId,
    time: Option<DateTime<Utc>>,
    reference: Option<String>,
    delay_reasons: Option<String>,
}

impl TryFrom<&RecordRegulatorNoticeRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RecordRegulatorNoticeRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("breach_id", &request.breach_id);
        let time = violations.filter_time("notice_time", request.notice_time.as_ref());
        let reference = violations.filter::<Line>("reference", &request.reference);
        let reasons = violations.filter::<Reasons>("delay_reasons", &request.delay_reasons);
        let reference = reference.map(Line::into_string);
        let delay_reasons = reasons.map(Reasons::into_string);
        violations.finish(id.map(|id| Self { id, time, reference, delay_reasons }))
    }
}
