//! `GetNewsletterConfirmation`: shows the button that confirms a newsletter subscription. Mail programs follow links by themselves, so
//! this page changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::GetNewsletterConfirmationRequest;
use levqor_runtime::context::Ctx;

use crate::{
    Notifications,
    domain::{link_token::NotAToken, newsletter::Expired},
    error::Error,
    store::newsletter_subscriptions,
};

pub(super) async fn get_newsletter_confirmation(
    notifications: &Notifications,
    _: Ctx,
    request: GetNewsletterConfirmationRequest,
) -> Result<HttpBody, Error> {
    let id = notifications.links.keys.read_confirmation(&request.token)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let subscription = newsletter_subscriptions::get(&mut conn, id).await?.ok_or(NotAToken)?;
    let now = levqor_runtime::db::now(&mut conn).await?;
    if subscription.confirm_time.is_some() {
        let preferences = notifications.links.preferences(&subscription.recipient_hash);
        return notifications.pages.confirmed(&subscription.topics, &preferences).map_err(Error::Render);
    }
    if now >= subscription.expire_time {
        return Err(Expired.into());
    }
    notifications.pages.confirm(&subscription.topics).map_err(Error::Render)
}
