//! `GetPreferences`: shows the recipient of a mail which advertising they get. A box is ticked only if they agreed to it.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::GetPreferencesRequest;
use levqor_runtime::context::Ctx;

use crate::{Notifications, consent::Standing, error::Error};

pub(super) async fn get_preferences(
    notifications: &Notifications,
    _: Ctx,
    request: GetPreferencesRequest,
) -> Result<HttpBody, Error> {
    let recipient = notifications.links.keys.read_recipient(&request.token)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let standing = Standing::of(&mut conn, &recipient).await?;
    notifications.pages.preferences(standing.on(), false).map_err(Error::Render)
}
