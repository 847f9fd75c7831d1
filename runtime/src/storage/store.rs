//! One place of a storage: a folder, a bucket, or an operator of opendal that a service opened. It remembers its last failure.

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

/// The bytes of one read from the disk.
pub(super) const PIECE: usize = 256 << 10;
/// The bytes of one request to a bucket: the smallest part of a file that S3 accepts.
const PART: usize = 5 << 20;
/// The time limit of a request to a bucket.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most retries of a failed request.
const RETRIES: usize = 3;
/// How long after a failure new files go to the fallback.
const AVOIDED_FOR: Duration = Duration::from_mins(1);

/// One place for files.
pub struct Store {
    operator: Operator,
    /// The folder. `None`: the place is on another machine, where an unfinished file does not exist.
    folder: Option<Arc<Path>>,
    /// Whether it has no folders, so that a key must be one name.
    is_flat: bool,
    /// Bytes of one write to a bucket. `None`: pieces are written as they come.
    part: Option<usize>,
    /// The bytes of one read.
    piece: usize,
    /// Its name for people.
    pub words: &'static str,
    /// The name that a database stores with a file.
    pub place: String,
    /// When a write last failed.
    failed: Mutex<Option<Instant>>,
}

impl Store {
    /// Opens it. It creates a folder that does not exist. A bucket must exist.
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

    /// A place on another machine that has no folders, and accepts a file in one request.
    #[must_use]
    pub fn flat(operator: Operator, words: &'static str, place: String) -> Self {
        let failed = Mutex::default();
        Self { operator, folder: None, is_flat: true, part: None, piece: PART, words, place, failed }
    }

    /// The name of the file with this key.
    fn name<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.is_flat { Cow::Owned(key.replace('/', "-")) } else { Cow::Borrowed(key) }
    }

    /// Whether it is on another machine, which may be unavailable for some time.
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

    /// Forgets the failure, as after some time.
    #[cfg(any(test, feature = "testing"))]
    pub fn forget_failure(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a file needs another name until it is finished.
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

    /// Renames a file, and waits until the disk confirms the name. Otherwise a power cut could lose the file, although it has its content.
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

    /// Removes the file with this name only.
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

    /// Removes a file, and the unfinished files of interrupted writes. A missing file is no error.
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

    /// The keys of all files in this folder.
    pub(super) async fn keys(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let names = self.names(folder).await?.into_iter();
        Ok(names.filter(|name| !self.needs_rename() || !name.ends_with(UNFINISHED)).collect())
    }

    /// The names of all files in this folder, also of unfinished ones.
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
        Err(StorageError::BrokeOff(io::Error::other("the storage returned other bytes")))
    }
}

/// The operator of a bucket. It uses only the key in the settings, never one of the machine.
fn operator(bucket: &Bucket) -> Result<Operator, StorageError> {
    let client = vendor_client(&bucket.endpoint, TIMEOUT, true).map_err(StorageError::Client)?;
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
        .layer(TimeoutLayer::new().with_timeout(TIMEOUT).with_io_timeout(TIMEOUT))
        .layer(RetryLayer::new().with_max_times(RETRIES));
    Ok(operator.with_context(OperationContext::new().with_http_transport(transport)))
}
