//! Confirms a status subscription. The link in the mail proves that the person who presses the button reads the mail of that address.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::ConfirmStatusSubscriptionRequest;
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::secret_token::{NotAToken, SecretToken},
    error::Error,
    status_mails,
    store::status_subscribers,
};

pub(super) async fn confirm_status_subscription(
    support: &Support,
    ctx: Ctx,
    request: ConfirmStatusSubscriptionRequest,
) -> Result<HttpBody, Error> {
    let token: SecretToken = request.token.parse()?;
    mutate(support, &ctx, &request, async |tx| {
        let mut subscriber = status_subscribers::lock(tx, &token).await?.ok_or(NotAToken)?;
        if subscriber.confirm(tx.now().await?)? {
            status_subscribers::save(tx, &subscriber).await?;
        }
        let page =
            support.pages.status_confirmed(&status_mails::unsubscribe_link(&support.config, &subscriber))?;
        Ok(Done::unaudited(page, "anybody may call this, and the row is the evidence"))
    })
    .await
}
