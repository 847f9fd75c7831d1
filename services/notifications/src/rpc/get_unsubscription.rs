//! `GetUnsubscription`: shows the button that unsubscribes from all advertising. Mail programs and their guards follow links by
//! themselves, so this page changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::GetUnsubscriptionRequest;
use levqor_runtime::context::Ctx;

use crate::{Notifications, error::Error};

pub(super) async fn get_unsubscription(
    notifications: &Notifications,
    _: Ctx,
    request: GetUnsubscriptionRequest,
) -> Result<HttpBody, Error> {
    let recipient = notifications.links.keys.read_recipient(&request.token)?;
    let preferences = notifications.links.preferences(&recipient);
    notifications.pages.unsubscribe(&preferences).map_err(Error::Render)
}
