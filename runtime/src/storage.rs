//! Storage of files by key, through opendal: a folder of the local disk, a bucket of a service that supports S3, or a bucket with a
//! folder as its fallback. A file is written and read in pieces. It exists under its key only when it is complete.
//!
//! The storage has no owners and no states. A service records a key in its database before it writes the file, and before it removes the
//! file, so that a service knows every stored file.

mod place;
mod recipients;
mod store;
mod writer;

use std::{io, iter, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use self::{
    place::{Place, required_secret},
    store::Store,
    writer::Writer,
};
use crate::service_error;

service_error! {
    /// Why the storage fails.
    #[derive(Debug, thiserror::Error)]
    pub enum StorageError {
        /// The storage failed.
        #[error("the storage failed")]
        Unavailable(#[from] opendal::Error) => Unavailable "STORAGE_UNAVAILABLE" after 5 s,
        /// A client of the bucket cannot be made.
        #[error("a client of the storage cannot be made")]
        Client(#[source] reqwest::Error) => Internal "INTERNAL",
        /// The read of a file was interrupted.
        #[error("the read of a stored file was interrupted")]
        BrokeOff(#[source] io::Error) => Unavailable "STORAGE_UNAVAILABLE" after 5 s,
        /// The disk did not confirm the name of a file.
        #[error("the disk did not confirm a stored file")]
        NotSynced(#[source] io::Error) => Unavailable "STORAGE_UNAVAILABLE" after 5 s,
    }
}

/// A storage. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    first: Arc<Store>,
    /// Files go to it while the first one fails.
    fallback: Option<Arc<Store>>,
}

impl Storage {
    /// Opens the storage. It creates a folder that does not exist. A bucket must exist.
    pub fn open(place: &Place) -> Result<Self, StorageError> {
        let fallback = place.fallback.as_ref().map(Store::open).transpose()?;
        Ok(Self { first: Arc::new(Store::open(&place.first)?), fallback: fallback.map(Arc::new) })
    }

    /// Opens and tests the storage, at the start of a service. If a folder cannot be used, the service does not start. A bucket may be
    /// unavailable for some time, so its failure is only logged.
    pub async fn start(place: &Place) -> anyhow::Result<Self> {
        let storage = Self::open(place).with_context(|| format!("cannot open {}", place.in_words()))?;
        for store in storage.stores() {
            match store.probe().await {
                Err(error) if store.is_remote() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "files cannot be stored yet");
                }
                tried => tried.with_context(|| format!("cannot use {}", store.words))?,
            }
        }
        Ok(storage)
    }

    fn stores(&self) -> impl Iterator<Item = &Arc<Store>> {
        iter::once(&self.first).chain(&self.fallback)
    }

    /// Begins to write a file. It replaces a file with this key. If the first place failed a moment ago, the file goes to the fallback. A
    /// caller whose write fails begins again, and then uses the fallback.
    pub async fn write(&self, key: &str) -> Result<Writer, StorageError> {
        let sound = self.stores().find(|store| !store.is_failing());
        let store = sound.unwrap_or(&self.first);
        let is_fallback = !Arc::ptr_eq(store, &self.first);
        if is_fallback {
            tracing::warn!("the first storage failed a moment ago: a file goes to the fallback");
        }
        Writer::begin(Arc::clone(store), is_fallback, key).await
    }

    /// Reads a file in pieces.
    pub async fn read(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let Some(fallback) = &self.fallback else { return self.first.read(key).await };
        match self.first.has(key).await {
            Ok(true) => self.first.read(key).await,
            Ok(false) => fallback.read(key).await,
            // The file may be in the fallback.
            Err(error) => match fallback.has(key).await {
                Ok(true) => fallback.read(key).await,
                Ok(false) | Err(_) => Err(error),
            },
        }
    }

    /// Whether there is a fallback.
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// The first place, in words for people.
    #[must_use]
    pub fn words(&self) -> &'static str {
        self.first.words
    }

    /// The names of its places, in the order in which they are tried. A database stores such a name with a file.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.stores().map(|store| store.place.clone()).collect()
    }

    /// Whether one of its places has a file.
    pub async fn has(&self, key: &str) -> Result<bool, StorageError> {
        let first = self.first.has(key).await;
        match &self.fallback {
            Some(fallback) if !matches!(first, Ok(true)) => fallback.has(key).await,
            _ => first,
        }
    }

    /// Removes a file, and the unfinished files of interrupted writes. A missing file is no error.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        let removed = self.first.remove(key).await;
        match &self.fallback {
            Some(fallback) => fallback.remove(key).await.and(removed),
            None => removed,
        }
    }

    /// The keys of all files in this folder, such as `ledger/`. The key of a file in both places is in the list twice.
    pub async fn keys(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let mut keys = self.first.keys(folder).await?;
        if let Some(fallback) = &self.fallback {
            keys.extend(fallback.keys(folder).await?);
        }
        Ok(keys)
    }

    /// Writes a small file, reads it, and removes it, in each place: evidence that the storage works.
    pub async fn probe(&self) -> Result<(), StorageError> {
        for store in self.stores() {
            store.probe().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::TryStreamExt;

    use super::{
        place::{Folder, Kind},
        store::PIECE,
        *,
    };
    use crate::id;

    fn folder() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("levqor-storage-{}", id::request_id()))
    }

    fn kind(folder: &Path) -> Kind {
        Kind::Folder(Folder(folder.to_owned()))
    }

    fn open(folder: &Path) -> Storage {
        Storage::open(&Place { first: kind(folder), fallback: None }).expect("opened")
    }

    async fn content(storage: &Storage, key: &str) -> Option<Vec<u8>> {
        let pieces: Vec<_> = storage.read(key).await.ok()?.try_collect().await.ok()?;
        Some(pieces.concat())
    }

    #[tokio::test]
    async fn a_file_exists_only_when_it_is_complete() {
        let folder = folder();
        let storage = open(&folder);
        let piece = || Bytes::from_static(b"an entry");
        let mut writer = storage.write("ledger/1.json").await.expect("begun");
        writer.write(piece()).await.expect("written");
        assert_eq!(content(&storage, "ledger/1.json").await, None, "not yet");
        assert_eq!(storage.keys("ledger/").await.expect("listed"), Vec::<String>::new());
        // Another write of the same file does not mix with it.
        let mut other = storage.write("ledger/1.json").await.expect("begun");
        other.write(piece()).await.expect("written");
        other.finish().await.expect("finished");
        writer.finish().await.expect("finished");
        assert_eq!(content(&storage, "ledger/1.json").await.as_deref(), Some(&b"an entry"[..]));
        assert_eq!(storage.keys("ledger/").await.expect("listed"), ["ledger/1.json"]);
        std::fs::remove_dir_all(folder).expect("tidy");
    }

    #[tokio::test]
    async fn an_interrupted_write_does_not_change_the_file_and_its_unfinished_file_is_removed_with_the_file()
    {
        let folder = folder();
        let storage = open(&folder);
        let whole = Bytes::from_static(b"whole");
        for key in ["a/1", "a/10"] {
            let mut writer = storage.write(key).await.expect("begun");
            writer.write(whole.clone()).await.expect("written");
            writer.finish().await.expect("finished");
        }
        let mut aborted = storage.write("a/1").await.expect("begun");
        aborted.write(Bytes::from_static(b"half")).await.expect("written");
        aborted.abort().await.expect("removed");
        assert_eq!(storage.first.names("a/").await.expect("listed").len(), 2);
        // The same as after a crash.
        let mut unfinished = storage.write("a/1").await.expect("begun");
        unfinished.write(Bytes::from_static(b"half")).await.expect("written");
        drop(unfinished);
        assert_eq!(storage.first.names("a/").await.expect("listed").len(), 3);
        assert_eq!(content(&storage, "a/1").await.as_deref(), Some(&b"whole"[..]));
        storage.remove("a/1").await.expect("removed");
        assert_eq!(storage.first.names("a/").await.expect("listed"), ["a/10"], "and nothing of another file");
        std::fs::remove_dir_all(folder).expect("tidy");
    }

    #[tokio::test]
    async fn a_file_is_read_in_pieces_and_does_not_exist_after_its_removal() {
        let folder = folder();
        let storage = open(&folder);
        storage.probe().await.expect("it works");
        let mut writer = storage.write("a/b").await.expect("begun");
        let piece = Bytes::from(vec![7; PIECE]);
        for _ in 0..4 {
            writer.write(piece.clone()).await.expect("written");
        }
        writer.finish().await.expect("finished");
        let read: Vec<Bytes> = storage.read("a/b").await.expect("there").try_collect().await.expect("whole");
        assert!(read.len() > 1 && read.iter().all(|piece| piece.len() <= PIECE), "in pieces");
        assert_eq!(read.iter().map(Bytes::len).sum::<usize>(), 4 * PIECE);
        for _ in 0..2 {
            storage.remove("a/b").await.expect("gone");
        }
        let gone = match storage.read("a/b").await {
            Ok(pieces) => pieces.try_collect::<Vec<_>>().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(gone.is_err(), "nothing is read");
        std::fs::remove_dir_all(folder).expect("tidy");
    }

    #[tokio::test]
    async fn files_go_to_the_fallback_while_the_first_place_fails_and_are_found_in_both() {
        let (first, second) = (folder(), folder());
        let place = Place { first: kind(&first), fallback: Some(kind(&second)) };
        let storage = Storage::open(&place).expect("opened");
        let write = async |key: &str| {
            let mut writer = storage.write(key).await?;
            let is_fallback = writer.is_fallback();
            writer.write(Bytes::from_static(b"content")).await?;
            writer.finish().await.map(|()| is_fallback)
        };
        assert!(!write("a/1").await.expect("written"));
        // A file is where the folder was.
        std::fs::remove_dir_all(&first).expect("removed");
        std::fs::write(&first, b"").expect("a file");
        write("a/2").await.expect_err("the first place fails");
        assert!(write("a/2").await.expect("written once more"), "it goes to the fallback");
        assert_eq!(content(&storage, "a/2").await.as_deref(), Some(&b"content"[..]));
        storage.remove("a/2").await.expect_err("what is in the first place is not removed");
        assert!(write("a/3").await.expect("written"));
        // It works again.
        std::fs::remove_file(&first).expect("removed");
        std::fs::create_dir(&first).expect("a folder");
        storage.first.forget_failure();
        assert!(!write("a/4").await.expect("written"));
        let mut keys = storage.keys("a/").await.expect("listed");
        keys.sort();
        assert_eq!(keys, ["a/3", "a/4"]);
        for key in keys {
            assert!(content(&storage, &key).await.is_some(), "{key}");
            storage.remove(&key).await.expect("removed");
        }
        assert_eq!(storage.keys("a/").await.expect("listed"), Vec::<String>::new());
        std::fs::remove_dir_all(first).expect("tidy");
        std::fs::remove_dir_all(second).expect("tidy");
    }
}
