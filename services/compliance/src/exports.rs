//! Builds copies of personal data, sends them to people, and removes them. A copy is an encrypted ZIP in the storage. It is written and
//! read in pieces; only Google Drive needs a whole copy in memory.

use std::io;

use age::{Decryptor, Identity};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    AsyncReadExt, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_runtime::v1::{ExportedTable, export_subject_response::Part};
use levqor_runtime::{audit, context::Actor, db::Db, privacy::Ledger, storage::StorageError};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::{
    Compliance,
    archives::{ArchiveWriter, Archives, Stored},
    bodies,
    config::StorageKey,
    domain::{
        archive::{self, Archive},
        data_request::{DataRequest, DataRequestId, Entitlement},
        export::{Export, LinkToken, Size, storage_key},
    },
    error::Error,
    operators,
    peers::Peers,
    store::data_exports,
};

/// After how many rows the progress of a build is stored.
const TOLD_EVERY: u64 = 1_000;
/// How many bytes are written, or sent, at once.
const PIECE: usize = 64 << 10;
/// The name of the file that a person downloads.
const FILE_NAME: &str = "levqor-personal-data.zip";

/// Where copies and the ledger of erasures are kept, and the key that encrypts copies. Copies may go to Google Drive; the ledger does not.
pub(crate) struct Vault {
    pub(crate) archives: Archives,
    pub(crate) key: StorageKey,
    /// The ledger of erasures.
    pub(crate) ledger: Ledger,
}

/// An archive that is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Built {
    pub(crate) size: Size,
    /// Where it is.
    pub(crate) stored: Stored,
}

impl Compliance {
    pub(crate) fn vault(&self) -> Result<&Vault, Error> {
        self.vault.as_ref().ok_or(Error::ExportsOff)
    }

    /// Whether a request of this kind can be fulfilled: a copy and an erasure need the storage, for the archive or for the ledger.
    pub(crate) fn can_fulfil(&self, entitlement: Entitlement) -> Result<(), Error> {
        match entitlement {
            Entitlement::Access | Entitlement::Portability | Entitlement::Erasure => self.vault().map(drop),
            Entitlement::Rectification
            | Entitlement::Restriction
            | Entitlement::Objection
            | Entitlement::ConsentWithdrawal => Ok(()),
        }
    }

    /// Writes the archive of a build.
    pub(crate) async fn build(
        &self,
        peers: &Peers<'_>,
        request: &DataRequest,
        build_number: i32,
        now: DateTime<Utc>,
    ) -> Result<Built, Error> {
        let vault = self.vault()?;
        let key = storage_key(request.id, build_number);
        let mut build = Build {
            db: &self.chassis.db,
            id: request.id,
            number: build_number,
            archive: Archive::begin(&vault.key.0.to_public())?,
            writer: vault.archives.write(&key).await?,
            size: Size::default(),
            written_rows: 0,
        };
        for service in peers.names() {
            build.tables(peers, service, request, Format::Json).await?;
        }
        for service in peers.names() {
            build.tables(peers, service, request, Format::Csv).await?;
        }
        Box::pin(build.finish(now)).await
    }

    /// The copy that a link leads to, while the link is valid.
    pub(crate) async fn linked(&self, conn: &mut PgConnection, token: &LinkToken) -> Result<Export, Error> {
        let now = levqor_runtime::db::now(conn).await?;
        let export = data_exports::by_link(conn, &token.hash()).await?.ok_or(Error::LinkInvalid)?;
        let is_valid = export.link_expire_time.is_some_and(|expires| expires > now);
        if is_valid && export.is_there(now) { Ok(export) } else { Err(Error::LinkInvalid) }
    }

    /// Sends a copy, decrypted. The download is counted and recorded.
    pub(crate) async fn download(
        &self,
        actor: &Actor,
        id: DataRequestId,
    ) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
        let vault = self.vault()?;
        let mut conn = self.chassis.db.acquire().await?;
        let now = levqor_runtime::db::now(&mut conn).await?;
        let export = data_exports::get(&mut conn, id).await?;
        drop(conn);
        let export = export.filter(|export| export.is_there(now)).ok_or(Error::ExportNotReady)?;
        let stored = vault.archives.read(&export.storage_key()).await?;
        let mut tx = self.chassis.db.begin().await?;
        data_exports::count_download(&mut tx, id).await?;
        audit::append(&mut tx, actor, "data_export.download", &[("data_request_id", &id.to_string())])
            .await?;
        tx.commit().await?;
        let stored = stored.map_err(io::Error::other).into_async_read();
        let decryptor = Decryptor::new_async(stored).await.map_err(Error::Undecipherable)?;
        let keys = std::iter::once(&vault.key.0 as &dyn Identity);
        let plain = decryptor.decrypt_async(keys).map_err(Error::Undecipherable)?;
        let head = HttpBody {
            content_type: "application/zip".to_owned(),
            data: Vec::new(),
            extensions: vec![bodies::file(FILE_NAME)],
        };
        let pieces = stream::try_unfold(plain, |mut plain| async move {
            let mut piece = vec![0; PIECE];
            let read = plain.read(&mut piece).await.map_err(StorageError::BrokeOff)?;
            piece.truncate(read);
            let body = HttpBody { data: piece, ..HttpBody::default() };
            Ok::<_, Error>((read > 0).then_some((body, plain)))
        });
        Ok(stream::iter([Ok(head)]).chain(pieces).boxed())
    }

    /// Removes an archive, and all that earlier builds left of it.
    pub(crate) async fn remove(&self, export: &Export) -> Result<(), Error> {
        let vault = self.vault()?;
        for build_number in 1..=export.build_number {
            vault.archives.remove(&storage_key(export.request_id, build_number)).await?;
        }
        let mut tx = self.chassis.db.begin().await?;
        if data_exports::deleted(&mut tx, export.request_id).await? {
            operators::copy_removed(&mut tx, export.request_id).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// In which form tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// An archive, and the stored file that it becomes.
struct Build<'b> {
    db: &'b Db,
    id: DataRequestId,
    number: i32,
    archive: Archive,
    writer: ArchiveWriter,
    size: Size,
    /// In both forms.
    written_rows: u64,
}

impl Build<'_> {
    /// Writes the tables of one service. Its files come with the first form.
    async fn tables(
        &mut self,
        peers: &Peers<'_>,
        service: &str,
        request: &DataRequest,
        format: Format,
    ) -> Result<(), Error> {
        let mut parts = peers.export(service, &request.subject, format == Format::Csv).await?;
        let mut in_array = false;
        while let Some(message) = peers.next(service, &mut parts).await? {
            match message.part {
                Some(Part::Table(table)) => {
                    self.end_array(std::mem::replace(&mut in_array, format == Format::Json)).await?;
                    self.begin_table(service, &table, format).await?;
                }
                Some(Part::Row(row)) => {
                    self.row(&row, format).await?;
                    self.tell().await?;
                }
                Some(Part::File(file)) => {
                    self.end_array(std::mem::take(&mut in_array)).await?;
                    let path = format!("{service}/files/{}", plain_path(&file.path));
                    self.archive.start(&path, "A file", false)?;
                    self.size.files += 1;
                }
                Some(Part::Data(data)) => self.write(&data).await?,
                None => {}
            }
        }
        self.end_array(in_array).await
    }

    async fn begin_table(
        &mut self,
        service: &str,
        table: &ExportedTable,
        format: Format,
    ) -> Result<(), Error> {
        let (name, about) = (&table.name, &table.description);
        match format {
            Format::Json => {
                self.archive.start(&format!("{service}/{name}.json"), about, true)?;
                self.write(b"[\n").await
            }
            Format::Csv => Ok(self.archive.start(&format!("{service}/{name}.csv"), about, true)?),
        }
    }

    async fn row(&mut self, row: &str, format: Format) -> Result<(), Error> {
        let before = self.archive.count_row();
        match format {
            Format::Json => {
                self.size.rows += 1;
                let separator = if before > 0 { ",\n" } else { "" };
                self.write(format!("{separator}{row}").as_bytes()).await
            }
            Format::Csv => {
                let row: Map<String, Value> = serde_json::from_str(row).unwrap_or_default();
                let head = if before == 0 { archive::csv_head(&row) } else { String::new() };
                self.write(format!("{head}{}", archive::csv_line(row.values())).as_bytes()).await
            }
        }
    }

    /// Stores the progress of the build at intervals. Fails if the copy is not needed any more.
    async fn tell(&mut self) -> Result<(), Error> {
        self.written_rows += 1;
        if !self.written_rows.is_multiple_of(TOLD_EVERY) {
            return Ok(());
        }
        let mut conn = self.db.acquire().await?;
        let now = levqor_runtime::db::now(&mut conn).await?;
        if data_exports::progress(&mut conn, self.id, self.number, self.size, now).await? {
            return Ok(());
        }
        Err(Error::ExportUnderWay)
    }

    async fn end_array(&mut self, in_array: bool) -> Result<(), Error> {
        if in_array { self.write(b"\n]\n").await } else { Ok(()) }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.archive.write(bytes)?;
        match self.archive.take(PIECE) {
            Some(ready) => self.store(ready).await,
            None => Ok(()),
        }
    }

    async fn store(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.size.bytes += i64::try_from(bytes.len()).unwrap_or_default();
        Ok(self.writer.write(Bytes::from(bytes)).await?)
    }

    /// Writes the manifest and the page, and ends the archive.
    async fn finish(mut self, now: DateTime<Utc>) -> Result<Built, Error> {
        let entries = self.archive.entries().to_vec();
        let manifest = serde_json::json!({
            "data_request_id": self.id.to_string(),
            "create_time": now.to_rfc3339(),
            "row_count": self.size.rows,
            "file_count": self.size.files,
            "files": entries,
        });
        self.archive.start("manifest.json", "The files of this archive", false)?;
        self.write(format!("{manifest:#}\n").as_bytes()).await?;
        self.archive.start("index.html", "This page", false)?;
        self.write(archive::index(&now.format("%-d %B %Y").to_string(), &entries).as_bytes()).await?;
        let Self { archive, mut writer, mut size, .. } = self;
        let last = archive.finish()?;
        size.bytes += i64::try_from(last.len()).unwrap_or_default();
        writer.write(Bytes::from(last)).await?;
        Ok(Built { size, stored: writer.finish().await? })
    }
}

/// A path inside the archive, whatever name a customer gave to a file.
fn plain_path(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let plain = |part: &str| {
        let part: String =
            part.chars().map(|c| if c.is_control() || "\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
        if part.chars().all(|c| c == '.') { "_".to_owned() } else { part }
    };
    parts.map(plain).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_in_its_folder_whatever_its_name() {
        assert_eq!(plain_path("orders/1/2/plan.pdf"), "orders/1/2/plan.pdf");
        assert_eq!(plain_path("orders/1/2/../..\\x:y\n"), "orders/1/2/_/.._x_y_");
        assert_eq!(plain_path("/etc//passwd"), "etc/passwd");
    }
}
