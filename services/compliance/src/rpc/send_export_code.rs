//! Mails a code for the copy that a link leads to. It works without `mutate`: it takes no key, and a second call within a minute sends
//! nothing.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{SendExportCodeRequest, SendExportCodeResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    request::id,
};

use crate::{
    Compliance, codes,
    domain::{code::Purpose, export::LinkToken},
    error::Error,
    store::{data_request_codes, data_requests},
};

/// How long a person waits for the next code. It bounds how often a code can be guessed: 5 times in 5 minutes, for 24 hours.
const PAUSE: TimeDelta = TimeDelta::minutes(5);

pub(super) async fn send_export_code(
    compliance: &Compliance,
    _: Ctx,
    request: SendExportCodeRequest,
) -> Result<SendExportCodeResponse, Error> {
    let token: LinkToken = id("link_token", &request.link_token)?;
    let mut tx = compliance.chassis.db.begin().await?;
    let export = compliance.linked(&mut tx, &token).await?;
    let found =
        data_requests::lock(&mut tx, &Scope::All, export.request_id).await?.ok_or(Error::LinkInvalid)?;
    let last = data_request_codes::last(&mut tx, found.id, Purpose::Download).await?;
    let now = tx.now().await?;
    if last.is_none_or(|last| last + PAUSE <= now) {
        codes::send(&mut tx, &found, Purpose::Download).await?;
        tx.commit().await?;
    }
    Ok(SendExportCodeResponse {})
}
