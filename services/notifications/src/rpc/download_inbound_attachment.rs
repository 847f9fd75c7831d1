//! `DownloadInboundAttachment`: passes a file of a received mail on from the provider, in pieces. Support calls it.

use std::sync::Arc;

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_mail::v1::DownloadInboundAttachmentRequest;
use levqor_runtime::{context::Ctx, request};

use super::fetch_inbound_mail::receiver;
use crate::{
    Notifications,
    domain::inbound_mail::InboundMailId,
    error::Error,
    provider::{Trouble, resend::NotReceived},
    store::inbound_mails,
};

pub(super) async fn download_inbound_attachment(
    notifications: Arc<Notifications>,
    _: Ctx,
    request: DownloadInboundAttachmentRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let id: InboundMailId = request::id("inbound_mail_id", &request.inbound_mail_id)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let mail = inbound_mails::get(&mut conn, id).await?.ok_or(Error::InboundMailNotFound)?;
    drop(conn);
    let download = async {
        let resend = receiver(&notifications)?;
        resend.download(&mail.provider_mail_id, &request.attachment_id).await
    };
    let (file, response) = download.await.map_err(|why| match why {
        NotReceived::Gone => Error::AttachmentGone,
        NotReceived::NotNow(trouble) => Error::ProviderUnavailable(trouble),
    })?;
    let head = HttpBody { content_type: file.content_type.unwrap_or_default(), ..HttpBody::default() };
    let pieces = response.bytes_stream().map_err(|error| {
        Error::ProviderUnavailable(Trouble::because("the download broke off", error.without_url()))
    });
    let pieces = pieces.map_ok(|piece| HttpBody { data: piece.into(), ..HttpBody::default() });
    Ok(stream::iter([Ok(head)]).chain(pieces).boxed())
}
