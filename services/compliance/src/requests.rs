//! What follows from a data request, and how it is shown.

use levqor_proto_compliance::v1::{self as wire, BuildDataExportRequest};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    timestamp,
};
use sqlx::PgConnection;

use crate::{
    domain::{
        data_request::{DataRequest, State},
        export::{Export, ExportState, Size},
    },
    mails,
    store::{data_exports, data_request_extensions, erasures, rectifications},
};

/// Begins the work on a request whose person is known: a copy is built, and the person is told of an erasure.
pub(crate) async fn begin(tx: &mut Tx, request: &DataRequest) -> Result<(), DbError> {
    if request.state == State::Received {
        let build = BuildDataExportRequest { data_request_id: request.id.to_string() };
        defer(tx, &build, format!("data-export:{}", request.id)).await?;
    }
    mails::received(tx, request).await
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
