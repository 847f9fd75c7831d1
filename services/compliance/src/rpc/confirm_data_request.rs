//! Confirms a data request with the code that went to its address. Before `mutate`, a try is counted and committed and the code is
//! compared, so that no crash and no retry gives another try. A call with a used key gets its answer before that: its code is used.

use levqor_proto_compliance::v1::{ConfirmDataRequestRequest, ConfirmDataRequestResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
    idempotency::{self, Claim},
    rpc::{Done, mutate},
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
    if let Some(earlier) = earlier(compliance, &ctx, &request).await? {
        return Ok(earlier);
    }
    if let Err(refused) = codes::check(&compliance.chassis.db, id, Purpose::Confirmation, &code).await {
        // A call with the same key may have used the code a moment ago.
        return earlier(compliance, &ctx, &request).await?.ok_or(refused);
    }
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let mut confirmed = data_requests::lock(tx, &Scope::All, id).await?.ok_or(Error::CodeInvalid)?;
        if !data_request_codes::consume(tx, id, Purpose::Confirmation, now).await? {
            return Err(Error::CodeInvalid);
        }
        confirmed.take(Step::Confirm, now)?;
        data_requests::update(tx, &confirmed).await?;
        requests::begin(compliance, tx, &ctx, &mut confirmed).await?;
        let shown = requests::shown(tx, confirmed).await?;
        let response = ConfirmDataRequestResponse { data_request: Some(shown) };
        Ok(Done::unaudited(
            response,
            "the row of the code says when it was used, and declarations are audited",
        ))
    })
    .await
}

/// The answer to an earlier call with this key.
async fn earlier(
    compliance: &Compliance,
    ctx: &Ctx,
    request: &ConfirmDataRequestRequest,
) -> Result<Option<ConfirmDataRequestResponse>, Error> {
    if ctx.idempotency_key.is_none() {
        return Ok(None);
    }
    let mut tx = compliance.chassis.db.begin().await?;
    let earlier = match idempotency::claim(&mut tx, ctx, request).await? {
        Claim::Replay(earlier) => Some(earlier),
        Claim::Fresh(_) => None,
    };
    // Releases the lock of the key, before `mutate` takes it. A dropped transaction is rolled back a little later.
    tx.commit().await?;
    Ok(earlier)
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
