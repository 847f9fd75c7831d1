//! One place of a storage: a folder, a bucket, or what a service opens with opendal; and whether it failed a moment ago.

use std::{
    borrow::Cow,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use opendal::{
    HttpTransporter, OperationContext, Operator,
    layers::{RetryLayer, TimeoutLayer},
    services::{Fs, S3},
};
use opendal_http_transport_reqwest::ReqwestTransport;
use secrecy::ExposeSecret;

use super::{
    StorageError,
    place::{Bucket, Kind},
    writer::{UNFINISHED, Writer},
};
use crate::{client::vendor_client, id};

/// Bytes that are read at once from the disk.
pub(super) const PIECE: usize = 256 << 10;
/// Bytes of one request to a bucket: the least that S3 takes for a part of a file.
const PART: usize = 5 << 20;
/// How long a request to a bucket may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a request that failed is made again.
const RETRIES: usize = 3;
/// How long after a failure new files go to the fallback.
const AVOIDED_FOR: Duration = Duration::from_mins(1);

/// One place for files.
pub struct Store {
    operator: Operator,
    /// The folder. `None`: it is on another machine, where a file that is not finished is not there.
    folder: Option<Arc<Path>>,
    /// Whether it has no folders within, so that a key is one name.
    is_flat: bool,
    /// Bytes of one write to a bucket. `None`: pieces are written as they come.
    part: Option<usize>,
    /// Bytes that are read at once.
    piece: usize,
    /// What it is, in words.
    pub words: &'static str,
    /// The name under which a database keeps where a file is.
    pub place: String,
    /// When a write failed the last time.
    failed: Mutex<Option<Instant>>,
}

impl Store {
    /// Opens it. A folder is made if there is none; a bucket must be there.
    pub(super) fn open(kind: &Kind) -> Result<Self, StorageError> {
        let (operator, folder, part, piece) = match kind {
            Kind::Folder(folder) => {
                let operator = Operator::new(Fs::default().root(&folder.0.to_string_lossy()))?;
                (operator, Some(folder.0.as_path().into()), None, PIECE)
            }
            Kind::Bucket(bucket) => (operator(bucket)?, None, Some(PART), PART),
        };
        let words = kind.in_words();
        let place = kind.name();
        Ok(Self { operator, folder, is_flat: false, part, piece, words, place, failed: Mutex::default() })
    }

    /// A place on another machine that has no folders within, and takes a file in one request.
    #[must_use]
    pub fn flat(operator: Operator, words: &'static str, place: String) -> Self {
        let failed = Mutex::default();
        Self { operator, folder: None, is_flat: true, part: None, piece: PART, words, place, failed }
    }

    /// The name of the file with this key.
    fn name<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.is_flat { Cow::Owned(key.replace('/', "-")) } else { Cow::Borrowed(key) }
    }

    /// Whether it is on another machine, which may be away for a while.
    pub(super) fn is_remote(&self) -> bool {
        self.folder.is_none()
    }

    /// Notes that a write failed.
    pub(super) fn note_failure(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a write failed a moment ago.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| failed.elapsed() < AVOIDED_FOR)
    }

    /// Forgets the failure, as time does.
    #[cfg(any(test, feature = "testing"))]
    pub fn forget_failure(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether files need another name until they are finished.
    pub(super) fn needs_rename(&self) -> bool {
        self.folder.is_some()
    }

    /// Begins to write under this name.
    pub(super) async fn begin(&self, name: &str) -> Result<opendal::Writer, StorageError> {
        let name = self.name(name);
        let writer = self.operator.writer_with(&name);
        Ok(match self.part {
            Some(part) => writer.chunk(part).await?,
            None => writer.await?,
        })
    }

    /// Writes a whole file in one request.
    pub async fn upload(&self, key: &str, pieces: Vec<Bytes>) -> Result<(), StorageError> {
        let uploaded = self.operator.write(&self.name(key), pieces).await;
        uploaded.inspect_err(|_| self.note_failure())?;
        Ok(())
    }

    /// Gives a file its name, and has the disk confirm it: without that, a power cut may lose the file although its content is there.
    pub(super) async fn rename(&self, name: &str, key: &str) -> Result<(), StorageError> {
        self.operator.rename(name, key).await?;
        let Some(root) = &self.folder else { return Ok(()) };
        let mut within = root.join(key);
        while within.pop() && within.starts_with(root) {
            let folder = tokio::fs::File::open(&within).await.map_err(StorageError::NotSynced)?;
            folder.sync_all().await.map_err(StorageError::NotSynced)?;
        }
        Ok(())
    }

    /// Removes what is under this name, and nothing else.
    pub(super) async fn delete(&self, name: &str) -> Result<(), StorageError> {
        Ok(self.operator.delete(&self.name(name)).await?)
    }

    /// Whether it has a file.
    pub async fn has(&self, key: &str) -> Result<bool, StorageError> {
        Ok(self.operator.exists(&self.name(key)).await?)
    }

    /// Reads a file in pieces.
    pub async fn read(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let name = self.name(key);
        let reader = self.operator.reader_with(&name).chunk(self.piece).await?;
        let pieces = reader.into_bytes_stream(..).await?;
        Ok(pieces.map_err(StorageError::BrokeOff).boxed())
    }

    /// Removes a file, and what writes that were interrupted left of it. Nothing happens if there is none.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        self.delete(key).await?;
        if self.needs_rename() {
            let folder = key.rfind('/').map_or("/", |end| &key[..=end]);
            let remains = format!("{key}.");
            for name in self.names(folder).await? {
                if name.starts_with(&remains) && name.ends_with(UNFINISHED) {
                    self.delete(&name).await?;
                }
            }
        }
        Ok(())
    }

    /// The keys of all files whose keys begin with this folder.
    pub(super) async fn keys(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let names = self.names(folder).await?.into_iter();
        Ok(names.filter(|name| !self.needs_rename() || !name.ends_with(UNFINISHED)).collect())
    }

    /// The same, with the names of files that are not finished.
    pub(super) async fn names(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let entries: Vec<_> = match self.operator.lister(folder).await {
            Ok(entries) => entries.try_collect().await?,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let files = entries.into_iter().filter(|entry| entry.metadata().is_file());
        Ok(files.map(|entry| entry.path().to_owned()).collect())
    }

    /// Writes a small file, reads it, and removes it: evidence that it works.
    pub async fn probe(self: &Arc<Self>) -> Result<(), StorageError> {
        let key = format!("probes/{}", id::request_id());
        let mut writer = Writer::begin(Arc::clone(self), false, &key).await?;
        writer.write(Bytes::from_static(b"probe")).await?;
        writer.finish().await?;
        let read: Vec<_> = self.read(&key).await?.try_collect().await?;
        self.remove(&key).await?;
        if read.concat() == b"probe" {
            return Ok(());
        }
        Err(StorageError::BrokeOff(io::Error::other("the storage gave back other bytes")))
    }
}

/// The operator of a bucket. It takes its key from the settings only, and never from the machine that it runs on.
fn operator(bucket: &Bucket) -> Result<Operator, StorageError> {
    let client = vendor_client(&bucket.endpoint, PATIENCE, true).map_err(StorageError::Client)?;
    let transport = HttpTransporter::new(ReqwestTransport::from(client));
    let service = S3::default()
        .bucket(&bucket.name)
        .endpoint(bucket.endpoint.as_str().trim_end_matches('/'))
        .region(&bucket.region)
        .access_key_id(&bucket.key_id)
        .secret_access_key(bucket.key.expose_secret())
        .disable_config_load()
        .disable_ec2_metadata();
    let operator = Operator::new(service)?
        .layer(TimeoutLayer::new().with_timeout(PATIENCE).with_io_timeout(PATIENCE))
        .layer(RetryLayer::new().with_max_times(RETRIES));
    Ok(operator.with_context(OperationContext::new().with_http_transport(transport)))
}
