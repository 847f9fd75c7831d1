//! `ConfirmNewsletterSubscription`: the address agrees to the topics that were chosen for it. The link in the mail proves that the person
//! who presses the button reads the mail of that address.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::ConfirmNewsletterSubscriptionRequest;
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use crate::{
    Notifications, consent,
    domain::link_token::NotAToken,
    error::Error,
    pages::CONFIRM_TEXT,
    store::{newsletter_subscriptions, permission_changes::Evidence},
};

pub(super) async fn confirm_newsletter_subscription(
    notifications: &Notifications,
    ctx: Ctx,
    request: ConfirmNewsletterSubscriptionRequest,
) -> Result<HttpBody, Error> {
    let id = notifications.links.keys.read_confirmation(&request.token)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let mut subscription = newsletter_subscriptions::lock(tx, id).await?.ok_or(NotAToken)?;
        let now = tx.now().await?;
        if subscription.confirm(now)? {
            newsletter_subscriptions::confirm(tx, id, now).await?;
            let evidence =
                Evidence { source: "double_opt_in", shown_text: CONFIRM_TEXT, subscription: Some(id) };
            consent::grant(tx, &subscription.recipient_hash, &subscription.topics, &evidence).await?;
        }
        let preferences = notifications.links.preferences(&subscription.recipient_hash);
        let page =
            notifications.pages.confirmed(&subscription.topics, &preferences).map_err(Error::Render)?;
        Ok(Done::unaudited(page, "the proof stands in permission_changes"))
    })
    .await
}
