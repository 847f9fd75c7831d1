//! `Unsubscribe`: the recipient gets no more advertising, at once. The button of the page calls it, and so does a mail program by one
//! click (RFC 8058): its body does not matter, because the link alone decides.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_mail::v1::{SendMessageRequest, UnsubscribeConfirmation, send_message_request::Content};
use levqor_proto_notifications::v1::UnsubscribeRequest;
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    rpc::{Done, mutate},
};

use crate::{
    Notifications, consent,
    domain::{address::AddressHash, newsletter::PermissionChangeId},
    error::Error,
    pages::UNSUBSCRIBE_TEXT,
    store::{messages::recipients, permission_changes::Evidence},
};

pub(super) async fn unsubscribe(
    notifications: &Notifications,
    ctx: Ctx,
    request: UnsubscribeRequest,
) -> Result<HttpBody, Error> {
    let recipient = notifications.links.keys.read_recipient(&request.token)?;
    mutate(notifications, &ctx, &request, async |tx| {
        let evidence = Evidence { source: "unsubscribe", shown_text: UNSUBSCRIBE_TEXT, subscription: None };
        let changes = consent::set(tx, &recipient, &[], &evidence).await?;
        // A second click changes nothing, and brings no second mail.
        if let Some(first) = changes.first() {
            confirm(notifications, tx, &recipient, *first).await?;
        }
        let preferences = notifications.links.preferences(&recipient);
        let page = notifications.pages.unsubscribed(&preferences).map_err(Error::Render)?;
        Ok(Done::unaudited(page, "the proof stands in permission_changes"))
    })
    .await
}

/// Defers the mail that confirms it. There is none to a person who was erased.
async fn confirm(
    notifications: &Notifications,
    tx: &mut Tx,
    recipient: &AddressHash,
    change: PermissionChangeId,
) -> Result<(), DbError> {
    let Some(address) = recipients::address(tx, recipient).await? else { return Ok(()) };
    let confirmation = SendMessageRequest {
        recipient: address.as_str().to_owned(),
        about: format!("unsubscribe:{change}"),
        content: Some(Content::UnsubscribeConfirmation(UnsubscribeConfirmation {
            preferences_link: notifications.links.preferences(recipient),
        })),
        ..SendMessageRequest::default()
    };
    defer(tx, &confirmation, format!("unsubscribe-confirmation:{change}")).await
}
