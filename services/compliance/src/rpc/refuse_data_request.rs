//! Refuses a data request whose work has not begun, with reasons (GDPR, article 12(5)), by staff. The person gets the reasons, and is told
//! of the right to complain to the regulator and to go to court (article 12(4)).

use levqor_proto_compliance::v1::{RefuseDataRequestRequest, RefuseDataRequestResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::data_request::{DataRequestId, Reasons, Step},
    error::Error,
    mails, requests,
    store::{data_request_refusals, data_requests},
};

pub(super) async fn refuse_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: RefuseDataRequestRequest,
) -> Result<RefuseDataRequestResponse, Error> {
    let Command { id, reasons } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = data_requests::lock(tx, &Scope::All, id).await?;
        let mut refused = found.ok_or(Error::DataRequestNotFound)?;
        let now = tx.now().await?;
        refused.take(Step::Refuse, now)?;
        data_requests::update(tx, &refused).await?;
        data_request_refusals::insert(tx, id, reasons.as_str(), now).await?;
        mails::refused(tx, &refused, reasons.as_str()).await?;
        let response = RefuseDataRequestResponse { data_request: Some(requests::shown(tx, refused).await?) };
        Ok(Done::audited(response, "data_request.refuse", &[("data_request_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: DataRequestId,
    reasons: Reasons,
}

impl TryFrom<&RefuseDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RefuseDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("data_request_id", &request.data_request_id);
        let reasons = violations.field("reasons", &request.reasons);
        violations.finish(id.zip(reasons).map(|(id, reasons)| Self { id, reasons }))
    }
}
