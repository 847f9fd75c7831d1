//! Gets a token for a form: the present time, signed.

use levqor_proto_support::v1::{GetFormTokenRequest, GetFormTokenResponse};
use levqor_runtime::{context::Ctx, db};

use crate::{Support, error::Error};

pub(super) async fn get_form_token(
    support: &Support,
    _: Ctx,
    _: GetFormTokenRequest,
) -> Result<GetFormTokenResponse, Error> {
    let mut conn = support.chassis.db.acquire().await?;
    let now = db::now(&mut conn).await?;
    Ok(GetFormTokenResponse { form_token: support.chassis.tokens.forms().mint(now) })
}
