//! Gets the page with the button that ends a status subscription. Mail programs and their guards follow links by themselves, so this page
//! changes nothing, and shows the same for a subscription that has ended.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::GetStatusUnsubscriptionRequest;
use levqor_runtime::context::Ctx;

use crate::{Support, domain::secret_token::SecretToken, error::Error};

pub(super) async fn get_status_unsubscription(
    support: &Support,
    _: Ctx,
    request: GetStatusUnsubscriptionRequest,
) -> Result<HttpBody, Error> {
    let _: SecretToken = request.token.parse()?;
    support.pages.status_unsubscribe()
}
