//! Stores the files of orders, reads them, and removes the contents of deleted files and of interrupted uploads.
//!
//! The row is written before the content, in the state UPLOADING. It becomes STORED only after the content is complete. So after
//! a crash at any point, `SweepOrderFiles` finds a row for each content.

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::{UploadLinkedOrderFileRequest, UploadOrderFileRequest};
use levqor_runtime::{
    error::Invalid,
    file::{self, HEAD_BYTES},
    rpc::Further,
    storage::{Storage, Writer},
};
use prost::Message;
use ring::digest::{self, Digest};

use crate::{
    Billing,
    domain::{
        order::Order,
        order_event::Party,
        order_file::{self, FileId, MOST_BYTES, MOST_FILES, OrderFile},
    },
    error::Error,
    store::order_files,
};

/// Files whose content one statement finds for a sweep.
const SWEEP_BATCH: i64 = 50;

/// A message of an upload.
pub(crate) trait Piece {
    /// Its bytes.
    fn into_data(self) -> Bytes;
}

impl Piece for UploadOrderFileRequest {
    fn into_data(self) -> Bytes {
        self.file.unwrap_or_default().data.into()
    }
}

impl Piece for UploadLinkedOrderFileRequest {
    fn into_data(self) -> Bytes {
        self.file.unwrap_or_default().data.into()
    }
}

/// An upload whose content is stored, and whose row still says UPLOADING.
pub(crate) struct Received {
    pub(crate) file_id: FileId,
    pub(crate) content_type: &'static str,
    pub(crate) size_bytes: i64,
    /// SHA-256.
    pub(crate) hash: Digest,
}

impl Billing {
    /// The storage, if it is configured.
    pub(crate) fn files(&self) -> Result<&Storage, Error> {
        self.storage.as_ref().map(|(storage, _)| storage).ok_or(Error::FilesOff)
    }

    /// Takes in the content of a new file of this order. The caller has checked who may do that.
    pub(crate) async fn receive_file<P: Piece + Message + Default>(
        &self,
        order: &Order,
        uploader: Party,
        name: &str,
        first: P,
        further: Further<P>,
    ) -> Result<Received, Error> {
        let storage = self.files()?;
        let file_id = FileId::new_at(self.chassis.clock.now());
        let mut tx = self.chassis.db.begin().await?;
        // The order's lock, which the caller has released, is not needed: a few files more than the most do no harm.
        if order_files::count(&mut tx, order.id).await? >= MOST_FILES {
            return Err(Error::TooManyFiles);
        }
        let now = tx.now().await?;
        order_files::begin(&mut tx, file_id, order.id, uploader, name, now).await?;
        tx.commit().await?;
        let key = order_file::storage_key(order.id, file_id);
        let mut content = Content::new(storage, &key);
        let written = match content.take(first, further).await {
            Ok(()) => content.finish().await,
            Err(error) => {
                content.give_up().await;
                Err(error)
            }
        };
        match written {
            Ok((content_type, size_bytes, hash)) => Ok(Received { file_id, content_type, size_bytes, hash }),
            Err(error) => {
                self.discard_file(order, file_id).await;
                Err(error)
            }
        }
    }

    /// Removes the remains of an upload that failed. If this fails too, the sweep removes them later.
    pub(crate) async fn discard_file(&self, order: &Order, file_id: FileId) {
        let discarded = async {
            self.files()?.remove(&order_file::storage_key(order.id, file_id)).await?;
            let mut conn = self.chassis.db.acquire().await?;
            Ok::<_, Error>(order_files::forget(&mut conn, file_id).await?)
        };
        if let Err(error) = discarded.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a broken upload waits for the sweep");
        }
    }

    /// The messages of a download: the type first, then the bytes in pieces.
    pub(crate) async fn send_file(
        &self,
        file: &OrderFile,
    ) -> Result<BoxStream<'static, Result<HttpBody, Error>>, Error> {
        let pieces = self.files()?.read(&order_file::storage_key(file.order_id, file.id)).await?;
        let head = HttpBody { content_type: file.content_type.clone(), ..HttpBody::default() };
        let pieces = pieces.map(|piece| Ok(HttpBody { data: piece?.into(), ..HttpBody::default() }));
        Ok(stream::iter([Ok(head)]).chain(pieces).boxed())
    }

    /// Removes every content that is due. Returns how many.
    pub(crate) async fn sweep_files(&self) -> Result<i64, Error> {
        let Ok(storage) = self.files() else { return Ok(0) };
        let mut removed = 0;
        loop {
            let due = order_files::due_for_sweep(&mut *self.chassis.db.acquire().await?, SWEEP_BATCH).await?;
            if due.is_empty() {
                return Ok(removed);
            }
            for (order_id, file_id) in due {
                storage.remove(&order_file::storage_key(order_id, file_id)).await?;
                order_files::forget(&mut *self.chassis.db.acquire().await?, file_id).await?;
                removed += 1;
            }
        }
    }
}

/// A content that is being written.
struct Content<'s> {
    storage: &'s Storage,
    key: &'s str,
    /// The beginning, until it is long enough to show the type.
    head: Vec<u8>,
    kind: Option<(&'static str, Writer)>,
    size: u64,
    hash: digest::Context,
}

impl<'s> Content<'s> {
    fn new(storage: &'s Storage, key: &'s str) -> Self {
        let hash = digest::Context::new(&digest::SHA256);
        Self { storage, key, head: Vec::new(), kind: None, size: 0, hash }
    }

    /// Writes all pieces.
    async fn take<P: Piece + Message + Default>(
        &mut self,
        first: P,
        mut further: Further<P>,
    ) -> Result<(), Error> {
        self.piece(first.into_data()).await?;
        while let Some(next) = further.next().await? {
            self.piece(next.into_data()).await?;
        }
        if self.size == 0 {
            return Err(Invalid::of("file", "expected a file that is not empty").into());
        }
        if self.kind.is_none() {
            self.open().await?;
        }
        Ok(())
    }

    /// Ends the write without a file. If that fails, the sweep removes the stored parts.
    async fn give_up(self) {
        if let Some((_, writer)) = self.kind
            && let Err(error) = writer.abort().await
        {
            tracing::info!(
                error = &error as &dyn std::error::Error,
                "a broken upload is not ended at the storage"
            );
        }
    }

    /// Ends the content. Returns the type, the size and the hash.
    async fn finish(self) -> Result<(&'static str, i64, Digest), Error> {
        let (kind, writer) = self.kind.ok_or(Error::FilesOff)?;
        writer.finish().await?;
        Ok((kind, i64::try_from(self.size).unwrap_or(i64::MAX), self.hash.finish()))
    }

    async fn piece(&mut self, data: Bytes) -> Result<(), Error> {
        self.size += data.len() as u64;
        if self.size > MOST_BYTES {
            return Err(Invalid::of("file", "expected at most 25 MiB").into());
        }
        self.hash.update(&data);
        if let Some((_, writer)) = &mut self.kind {
            return Ok(writer.write(data).await?);
        }
        self.head.extend_from_slice(&data);
        if self.head.len() >= HEAD_BYTES { self.open().await } else { Ok(()) }
    }

    /// Finds the type, and writes the head.
    async fn open(&mut self) -> Result<(), Error> {
        let kind = file::content_type(&self.head);
        let kind = kind.map_err(|_| Invalid::of("file", "expected a file that is not a program"))?;
        let mut writer = self.storage.write(self.key).await?;
        writer.write(std::mem::take(&mut self.head).into()).await?;
        self.kind = Some((kind, writer));
        Ok(())
    }
}
