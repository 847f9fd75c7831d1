//! Ends a status subscription at once, by one click. A second click changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::EndStatusSubscriptionRequest;
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use crate::{Support, domain::secret_token::SecretToken, error::Error, store::status_subscribers};

pub(super) async fn end_status_subscription(
    support: &Support,
    ctx: Ctx,
    request: EndStatusSubscriptionRequest,
) -> Result<HttpBody, Error> {
    let token: SecretToken = request.token.parse()?;
    mutate(support, &ctx, &request, async |tx| {
        status_subscribers::delete(tx, &token).await?;
        Ok(Done::unaudited(
            support.pages.status_unsubscribed()?,
            "anybody may call this, and the row is gone",
        ))
    })
    .await
}
