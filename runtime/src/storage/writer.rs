//! A file that is being written. It exists under its key only when it is finished. In a folder, it is written under another name, synced,
//! and renamed.

use std::sync::Arc;

use bytes::Bytes;

use super::{StorageError, store::Store};
use crate::id;

/// The end of the name of an unfinished file.
pub(super) const UNFINISHED: &str = ".part";

/// A file that is being written. It exists only when it is finished.
pub struct Writer {
    inner: opendal::Writer,
    store: Arc<Store>,
    is_fallback: bool,
    /// In a folder: the name of the unfinished file, and the key.
    rename: Option<(String, String)>,
}

impl Writer {
    pub(super) async fn begin(store: Arc<Store>, is_fallback: bool, key: &str) -> Result<Self, StorageError> {
        let unfinished = || (format!("{key}.{}{UNFINISHED}", id::request_id()), key.to_owned());
        let rename = store.needs_rename().then(unfinished);
        let name = rename.as_ref().map_or(key, |(name, _)| name.as_str());
        let inner = store.begin(name).await.inspect_err(|_| store.note_failure())?;
        Ok(Self { inner, store, is_fallback, rename })
    }

    /// Whether the file goes to the fallback, because the first place failed.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.is_fallback
    }

    /// The place of the file, in words for people.
    #[must_use]
    pub fn words(&self) -> &'static str {
        self.store.words
    }

    /// Writes the next piece.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), StorageError> {
        let written = self.inner.write(piece).await;
        Ok(written.inspect_err(|_| self.store.note_failure())?)
    }

    /// Stops the write, and removes the unfinished file.
    pub async fn abort(mut self) -> Result<(), StorageError> {
        match &self.rename {
            Some((name, _)) => self.store.delete(name).await,
            None => Ok(self.inner.abort().await?),
        }
    }

    /// Finishes the file.
    pub async fn finish(self) -> Result<(), StorageError> {
        let Self { mut inner, store, rename, .. } = self;
        // In a folder, this syncs the content.
        let finished = match (inner.close().await, rename) {
            (Err(error), _) => Err(StorageError::from(error)),
            (Ok(_), Some((name, key))) => store.rename(&name, &key).await,
            (Ok(_), None) => Ok(()),
        };
        finished.inspect_err(|_| store.note_failure())
    }
}
