//! Streams all data that this service has of a subject: each table with its rows, and then the files that its rows name. It holds one page
//! of rows, or one piece of a file, at a time. Compliance calls it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_runtime::v1::{
    ExportSubjectRequest, ExportSubjectResponse, ExportedFile, ExportedTable, export_subject_response::Part,
};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Error, Hosted, subject};
use crate::{
    context::Ctx,
    privacy::{Table, Walk, Which, files_of},
    rpc::State,
    service::Service,
    storage::StorageError,
};

/// The most parts that wait for the reader.
const WAITING: usize = 16;

pub(super) async fn export_subject<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    request: ExportSubjectRequest,
) -> Result<impl Stream<Item = Result<ExportSubjectResponse, Error>> + Send + 'static, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let wanted = subject::wanted(&hosted, &mut conn, request.subject.as_ref()).await?;
    drop(conn);
    let (parts, read) = mpsc::channel(WAITING);
    let tasks = hosted.chassis().tasks.clone();
    drop(tasks.keep(async move {
        let sent = tokio::select! {
            sent = send(&hosted, &wanted, request.without_files, &parts) => sent,
            // The reader has gone.
            () = parts.closed() => Ok(()),
        };
        if let Err(error) = sent {
            let _ = parts.send(Err(error)).await;
        }
    }));
    Ok(ReceiverStream::new(read))
}

type Parts = mpsc::Sender<Result<ExportSubjectResponse, Error>>;

/// Sends all parts, as fast as the reader takes them.
async fn send<S: Service>(
    hosted: &Hosted<S>,
    wanted: &subject::Wanted,
    without_files: bool,
    parts: &Parts,
) -> Result<(), Error> {
    for table in &wanted.catalogue.tables {
        let mut rows = Walk::new(&wanted.catalogue, table, &wanted.search, Which::All);
        let mut begun = false;
        while let Some(page) = next_page(hosted, &mut rows).await? {
            for row in page {
                if !begun {
                    let (name, description) = (table.title(), table.declared.description.clone());
                    send_part(parts, Part::Table(ExportedTable { name, description })).await;
                    begun = true;
                }
                send_part(parts, Part::Row(Value::Object(row).to_string())).await;
            }
        }
        if table.declared.file.is_some() && !without_files {
            send_files(hosted, wanted, table, parts).await?;
        }
    }
    Ok(())
}

/// Sends the files that the rows of one table name.
async fn send_files<S: Service>(
    hosted: &Hosted<S>,
    wanted: &subject::Wanted,
    table: &Table,
    parts: &Parts,
) -> Result<(), Error> {
    let mut rows = Walk::new(&wanted.catalogue, table, &wanted.search, Which::All);
    while let Some(page) = next_page(hosted, &mut rows).await? {
        for (key, path) in page.iter().filter_map(|row| files_of(table, row)) {
            let mut pieces = pieces(hosted, &key).await?;
            send_part(parts, Part::File(ExportedFile { path })).await;
            while let Some(piece) = pieces.next().await {
                send_part(parts, Part::Data(piece?)).await;
            }
        }
    }
    Ok(())
}

/// The next rows. The connection is used only while it reads them.
async fn next_page<S: Service>(
    hosted: &Hosted<S>,
    rows: &mut Walk<'_>,
) -> Result<Option<Vec<Map<String, Value>>>, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    Ok(rows.next_shown(&mut conn).await?)
}

/// The content of a file.
async fn pieces<S: Service>(
    hosted: &Hosted<S>,
    key: &str,
) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, Error> {
    match hosted.service.files() {
        Some(storage) => Ok(storage.read(key).await?),
        None => Ok(stream::empty().boxed()),
    }
}

async fn send_part(parts: &Parts, part: Part) {
    // If this fails, the reader has gone, and the export is about to be dropped.
    let _ = parts.send(Ok(ExportSubjectResponse { part: Some(part) })).await;
}
