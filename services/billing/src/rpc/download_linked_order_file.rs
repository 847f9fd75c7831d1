//! Downloads a file of a link's order, in pieces. The link is the only permission that it needs.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::DownloadLinkedOrderFileRequest;
use levqor_runtime::{context::Ctx, request::id};

use crate::{Billing, error::Error, order_links, store::order_files};

pub(super) async fn download_linked_order_file(
    billing: Arc<Billing>,
    _: Ctx,
    request: DownloadLinkedOrderFileRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let file_id = id("file_id", &request.file_id)?;
    let mut conn = billing.chassis.db.acquire().await?;
    let order_id = order_links::order_of(&mut conn, &request.link_token).await?;
    let file = order_files::get(&mut conn, order_id, file_id).await?.ok_or(Error::FileNotFound)?;
    drop(conn);
    billing.send_file(&file).await
}
