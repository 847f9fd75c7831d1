//! Extends the time to answer a data request by two months, once, with reasons (GDPR, article 12(3)). The person gets a mail.

use levqor_proto_compliance::v1::{ExtendDataRequestRequest, ExtendDataRequestResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::data_request::{DataRequestId, IllegalStep, Reasons, Step},
    error::Error,
    mails, requests,
    store::{data_request_extensions, data_requests},
};

pub(super) async fn extend_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: ExtendDataRequestRequest,
) -> Result<ExtendDataRequestResponse, Error> {
    let Command { id, reasons } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = data_requests::lock(tx, &Scope::All, id).await?;
        let mut extended = found.ok_or(Error::DataRequestNotFound)?;
        let now = tx.now().await?;
        extended.extend(now)?;
        if !data_request_extensions::insert(tx, id, reasons.as_str(), now).await? {
            return Err(IllegalStep { step: Step::Extend }.into());
        }
        data_requests::update(tx, &extended).await?;
        data_requests::forget_alerts(tx, id).await?;
        mails::extended(tx, &extended, reasons.as_str()).await?;
        let response = ExtendDataRequestResponse { data_request: Some(requests::shown(tx, extended).await?) };
        Ok(Done::audited(response, "data_request.extend", &[("data_request_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: DataRequestId,
    reasons: Reasons,
}

impl TryFrom<&ExtendDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ExtendDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("data_request_id", &request.data_request_id);
        let reasons = violations.field("reasons", &request.reasons);
        violations.finish(id.zip(reasons).map(|(id, reasons)| Self { id, reasons }))
    }
}
