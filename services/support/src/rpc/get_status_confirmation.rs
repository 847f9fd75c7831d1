//! Gets the page with the button that confirms a status subscription. Mail programs and their guards follow links by themselves, so this
//! page changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::GetStatusConfirmationRequest;
use levqor_runtime::context::Ctx;

use crate::{
    Support,
    domain::secret_token::{NotAToken, SecretToken},
    error::Error,
    store::status_subscribers,
};

pub(super) async fn get_status_confirmation(
    support: &Support,
    _: Ctx,
    request: GetStatusConfirmationRequest,
) -> Result<HttpBody, Error> {
    let token: SecretToken = request.token.parse()?;
    let mut conn = support.chassis.db.acquire().await?;
    status_subscribers::get(&mut conn, &token).await?.ok_or(NotAToken)?;
    support.pages.status_confirm()
}
