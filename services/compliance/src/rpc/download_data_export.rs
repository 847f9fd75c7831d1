//! Downloads the copy of a data request, for its owner, who is signed in. The archive is decrypted while it is sent.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::DownloadDataExportRequest;
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, error::Error, store::data_requests};

pub(super) async fn download_data_export(
    compliance: Arc<Compliance>,
    ctx: Ctx,
    request: DownloadDataExportRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = data_requests::get(&mut conn, &ctx.scope(), id).await?.ok_or(Error::DataRequestNotFound)?;
    drop(conn);
    compliance.download(&ctx.actor, found.id).await
}
