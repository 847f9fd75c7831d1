//! Streams everything that this service holds of a subject: each table with its rows, and then the files that its rows name. It holds one
//! page of rows, or one piece of a file, at a time. Compliance asks.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_runtime::v1::{
    ExportSubjectRequest, ExportSubjectResponse, ExportedFile, ExportedTable, export_subject_response::Part,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Error, Hosted, subject};
use crate::{
    context::Ctx,
    privacy::{Rows, Table, files_of},
    rpc::State,
    service::Service,
    storage::StorageError,
};

/// Parts that wait for the reader.
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
        if let Err(error) = send(&hosted, &wanted, request.without_files, &parts).await {
            // Nobody reads any more if this fails.
            let _ = parts.send(Err(error)).await;
        }
    }));
    Ok(ReceiverStream::new(read))
}

type Parts = mpsc::Sender<Result<ExportSubjectResponse, Error>>;

/// Sends all parts, as fast as they are read. Stops when nobody reads any more.
async fn send<S: Service>(
    hosted: &Hosted<S>,
    wanted: &subject::Wanted,
    without_files: bool,
    parts: &Parts,
) -> Result<(), Error> {
    for table in &wanted.catalogue.tables {
        if !send_rows(hosted, wanted, table, parts).await? {
            return Ok(());
        }
        let has_files = table.declared.file.is_some() && !without_files;
        if has_files && !send_files(hosted, wanted, table, parts).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends the rows of one table. False if nobody reads any more.
async fn send_rows<S: Service>(
    hosted: &Hosted<S>,
    wanted: &subject::Wanted,
    table: &Table,
    parts: &Parts,
) -> Result<bool, Error> {
    let mut rows = Rows::new(&wanted.catalogue, table, &wanted.search);
    let mut begun = false;
    loop {
        let mut conn = hosted.chassis().db.acquire().await?;
        let Some(page) = rows.next(&mut conn).await? else { return Ok(true) };
        drop(conn);
        for row in page {
            if !begun {
                let (name, description) = (table.title(), table.declared.description.clone());
                if !tell(parts, Part::Table(ExportedTable { name, description })).await {
                    return Ok(false);
                }
                begun = true;
            }
            if !tell(parts, Part::Row(serde_json::Value::Object(row).to_string())).await {
                return Ok(false);
            }
        }
    }
}

/// Sends the files that the rows of one table name. False if nobody reads any more.
async fn send_files<S: Service>(
    hosted: &Hosted<S>,
    wanted: &subject::Wanted,
    table: &Table,
    parts: &Parts,
) -> Result<bool, Error> {
    let mut rows = Rows::new(&wanted.catalogue, table, &wanted.search);
    loop {
        let mut conn = hosted.chassis().db.acquire().await?;
        let Some(page) = rows.next(&mut conn).await? else { return Ok(true) };
        drop(conn);
        for (key, path) in page.iter().filter_map(|row| files_of(table, row)) {
            let mut pieces = pieces(hosted, &key).await?;
            if !tell(parts, Part::File(ExportedFile { path })).await {
                return Ok(false);
            }
            while let Some(piece) = pieces.next().await {
                if !tell(parts, Part::Data(piece?)).await {
                    return Ok(false);
                }
            }
        }
    }
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

/// Sends one part. False if nobody reads any more.
async fn tell(parts: &Parts, part: Part) -> bool {
    parts.send(Ok(ExportSubjectResponse { part: Some(part) })).await.is_ok()
}
