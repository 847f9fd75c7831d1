//! Confirms a data request with the code that went to its address. It works without `mutate`, because a try is counted and committed
//! before the code is compared, so that no crash and no retry gives another try.

use levqor_proto_compliance::v1::{ConfirmDataRequestRequest, ConfirmDataRequestResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
};

use crate::{
    Compliance, codes,
    domain::{
        code::{Code, Purpose},
        data_request::{DataRequestId, Step},
    },
    error::Error,
    requests,
    store::{data_request_codes, data_requests},
};

pub(super) async fn confirm_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: ConfirmDataRequestRequest,
) -> Result<ConfirmDataRequestResponse, Error> {
    let Command { id, code } = (&request).try_into()?;
    codes::check(&compliance.chassis.db, id, Purpose::Confirmation, &code).await?;
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let mut confirmed = data_requests::lock(&mut tx, &Scope::All, id).await?.ok_or(Error::CodeInvalid)?;
    if !data_request_codes::consume(&mut tx, id, Purpose::Confirmation, now).await? {
        return Err(Error::CodeInvalid);
    }
    confirmed.take(Step::Confirm, now)?;
    data_requests::update(&mut tx, &confirmed).await?;
    requests::begin(compliance, &mut tx, &ctx, &mut confirmed).await?;
    let shown = requests::shown(&mut tx, confirmed).await?;
    tx.commit().await?;
    Ok(ConfirmDataRequestResponse { data_request: Some(shown) })
}

/// A valid request.
struct Command {
    id: DataRequestId,
    code: Code,
}

impl TryFrom<&ConfirmDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ConfirmDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("data_request_id", &request.data_request_id);
        let code = violations.field("code", &request.code);
        violations.finish(id.zip(code).map(|(id, code)| Self { id, code }))
    }
}
