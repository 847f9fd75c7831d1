//! What follows from a data request, and how it is shown.

use levqor_proto_compliance::v1::{self as wire, BuildDataExportRequest};
use levqor_runtime::{
    audit,
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};
use sqlx::PgConnection;

use crate::{
    Compliance, declaring,
    domain::{
        data_request::{DataRequest, State, Step},
        export::{Export, ExportState, Size},
    },
    error::Error,
    mails,
    store::{data_exports, data_request_extensions, data_requests, erasures, rectifications},
};

/// Begins the work on a request that is stored and whose person is known: a copy is built, the person gets a mail about an erasure,
/// and an objection or a withdrawal takes effect at once.
pub(crate) async fn begin(
    compliance: &Compliance,
    tx: &mut Tx,
    ctx: &Ctx,
    request: &mut DataRequest,
) -> Result<(), Error> {
    if request.entitlement.is_declaration() {
        return declare(compliance, tx, ctx, request).await;
    }
    if request.state == State::Received {
        let build = BuildDataExportRequest { data_request_id: request.id.to_string() };
        defer(tx, &build, format!("data-export:{}", request.id)).await?;
    }
    Ok(mails::received(tx, request).await?)
}

/// Adds the request's declarations to the ledger, and finishes the request. The audit entry lists the declarations of this request.
async fn declare(
    compliance: &Compliance,
    tx: &mut Tx,
    ctx: &Ctx,
    request: &mut DataRequest,
) -> Result<(), Error> {
    let now = tx.now().await?;
    let ids = declaring::declare(compliance, tx, request, &ctx.client, now).await?;
    request.take(Step::Finish, now)?;
    data_requests::update(tx, request).await?;
    mails::declared(tx, request).await?;
    let (id, ids) = (request.id.to_string(), ids.join(" "));
    let about = [("data_request_id", id.as_str()), ("declaration_ids", ids.as_str())];
    Ok(audit::append(tx, &ctx.actor, "data_request.declare", &about).await?)
}

/// The request as callers see it, with its copy and its receipt.
pub(crate) async fn shown(
    conn: &mut PgConnection,
    request: DataRequest,
) -> Result<wire::DataRequest, DbError> {
    let export = data_exports::get(conn, request.id).await?;
    let erasure = erasures::get(conn, request.id).await?;
    let extend_time = data_request_extensions::time(conn, request.id).await?;
    let rectified = rectifications::receipts(conn, request.id).await?;
    let mut shown = wire::DataRequest::from(request);
    shown.extend_time = extend_time.map(timestamp);
    match export {
        Some(export) if export.state == ExportState::Ready => shown.export = Some(export.into()),
        Some(export) if export.state == ExportState::Building => {
            shown.export_progress = Some(export.size.into());
        }
        Some(_) | None => {}
    }
    shown.rectified = rectified.into_iter().map(Into::into).collect();
    shown.erased = erasure.map(|it| it.receipts).unwrap_or_default().into_iter().map(Into::into).collect();
    Ok(shown)
}

impl From<DataRequest> for wire::DataRequest {
    fn from(request: DataRequest) -> Self {
        Self {
            data_request_id: request.id.to_string(),
            right: request.entitlement.into(),
            state: request.state.into(),
            create_time: Some(timestamp(request.create_time)),
            due_time: request.due_time.map(timestamp),
            erase_time: request.erase_time.map(timestamp),
            finish_time: request.finish_time.map(timestamp),
            obstacles: request.obstacles,
            export: None,
            erased: Vec::new(),
            extend_time: None,
            export_progress: None,
            corrected_name: request.correction.name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            wrong_email: request.correction.wrong_email.map(|it| it.as_str().to_owned()).unwrap_or_default(),
            rectified: Vec::new(),
            objection_scope: request.declared.objected.map(i32::from).unwrap_or_default(),
            objection_ends: request.declared.ends,
            withdrawn: request.declared.withdrawn.into_iter().map(i32::from).collect(),
        }
    }
}

impl From<Size> for wire::ExportProgress {
    fn from(size: Size) -> Self {
        Self { row_count: size.rows, file_count: size.files, size_bytes: size.bytes }
    }
}

impl From<Export> for wire::DataExport {
    fn from(export: Export) -> Self {
        Self {
            row_count: export.size.rows,
            file_count: export.size.files,
            size_bytes: export.size.bytes,
            ready_time: export.ready_time.map(timestamp),
            delete_time: Some(timestamp(export.delete_time)),
            download_count: export.download_count,
        }
    }
}
