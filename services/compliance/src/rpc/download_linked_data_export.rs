//! Downloads the copy that a link leads to, with its code. The archive is decrypted while it is sent.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::DownloadLinkedDataExportRequest;
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Compliance, codes,
    domain::{
        code::{Code, Purpose},
        export::LinkToken,
    },
    error::Error,
    store::data_request_codes,
};

pub(super) async fn download_linked_data_export(
    compliance: Arc<Compliance>,
    ctx: Ctx,
    request: DownloadLinkedDataExportRequest,
) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
    let Query { token, code } = (&request).try_into()?;
    let db = &compliance.chassis.db;
    let mut conn = db.acquire().await?;
    let export = compliance.linked(&mut conn, &token).await?;
    drop(conn);
    codes::check(db, export.request_id, Purpose::Download, &code).await?;
    let mut tx = db.begin().await?;
    let now = tx.now().await?;
    if !data_request_codes::consume(&mut tx, export.request_id, Purpose::Download, now).await? {
        return Err(Error::CodeInvalid);
    }
    tx.commit().await?;
    compliance.download(&ctx.actor, export.request_id).await
}

/// A link and its code.
struct Query {
    token: LinkToken,
    code: Code,
}

impl TryFrom<&DownloadLinkedDataExportRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &DownloadLinkedDataExportRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let token = violations.field("link_token", &request.link_token);
        let code = violations.field("code", &request.code);
        violations.finish(token.zip(code).map(|(token, code)| Self { token, code }))
    }
}
