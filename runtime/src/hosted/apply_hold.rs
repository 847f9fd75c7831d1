//! Applies a hold on the rows of a person, or its end. Compliance calls it for every change, and again before it applies the retention
//! periods.

use levqor_proto_runtime::v1::{ApplyHoldRequest, ApplyHoldResponse};

use super::{Error, Hosted, read_id, subject};
use crate::{
    context::Ctx,
    error::{Invalid, Violations},
    privacy::{self, HoldChange},
    rpc::State,
    service::Service,
};

pub(super) async fn apply_hold<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: ApplyHoldRequest,
) -> Result<ApplyHoldResponse, Error> {
    let change = HoldChange::try_from(&request)?;
    let mut tx = hosted.chassis().db.begin().await?;
    let change = privacy::apply_hold(&mut tx, change).await?;
    hosted.service.held(&mut tx, &change).await?;
    tx.commit().await?;
    Ok(ApplyHoldResponse {})
}

impl TryFrom<&ApplyHoldRequest> for HoldChange {
    type Error = Invalid;

    fn try_from(request: &ApplyHoldRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.take(read_id("hold_id", &request.hold_id, "a hold"));
        let kind = violations.field_enum("kind", request.kind);
        let subject = subject::read(&mut violations, request.subject.as_ref());
        if request.stands && subject.is_empty() {
            violations.add("subject", subject::NOBODY);
        }
        let change_time = violations.field_time("change_time", request.change_time.as_ref());
        let stands = request.stands;
        let change = || Some(Self { id: id?, kind: kind?, subject, stands, change_time: change_time? });
        violations.finish(change())
    }
}
