//! Downloads the evidence of a data request as a ZIP, for staff; recorded in the audit chain.

use std::sync::Arc;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::DownloadDataRequestEvidenceRequest;
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, bodies, domain::data_request::DataRequestId, error::Error};

/// How many bytes are sent at once.
const PIECE: usize = 64 << 10;

pub(super) async fn download_data_request_evidence(
    compliance: Arc<Compliance>,
    ctx: Ctx,
    request: DownloadDataRequestEvidenceRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let id: DataRequestId = id("data_request_id", &request.data_request_id)?;
    let packed = Box::pin(compliance.evidence(&ctx, id)).await?;
    let head = HttpBody {
        content_type: "application/zip".to_owned(),
        data: Vec::new(),
        extensions: vec![bodies::file(&format!("data-request-{id}.zip"))],
    };
    let pieces = packed.chunks(PIECE).map(|piece| HttpBody { data: piece.to_vec(), ..HttpBody::default() });
    let messages: Vec<_> = std::iter::once(head).chain(pieces).map(Ok).collect();
    Ok(stream::iter(messages).boxed())
}
