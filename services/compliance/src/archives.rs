//! Storage of archives: in Google Drive first, if it is set up, and otherwise in the fallback storage. Drive takes a file in one
//! request, so a whole archive is buffered in memory before it is sent. All archives of a process share one buffer of 32 MiB. An archive
//! that does not fit into the free part of the buffer goes to the fallback storage instead, piece by piece.
//!
//! Files that have to be listed, such as the ledger of erasures, do not go to Drive: it takes several files of one name, and does
//! not promise that everybody sees a new file at once.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use levqor_runtime::storage::{Storage, StorageError, Store, Writer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::drive::Drive;

/// The most bytes that are buffered for Drive, for all archives of the process together. So no archive in Drive is larger.
const ROOM: usize = 32 << 20;

/// A storage of archives.
pub(crate) struct Archives {
    drive: Option<InDrive>,
    storage: Storage,
}

/// Google Drive, and the free bytes of the buffer for it.
struct InDrive {
    store: Arc<Store>,
    room: Arc<Semaphore>,
}

/// Why an archive is not in the first storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detour {
    /// A storage failed: its name.
    Failed(&'static str),
    /// The buffer was full: this archive and the others that are being written need more than 32 MiB.
    TooLarge,
}

/// The storage that has an archive, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The storage, in words.
    pub(crate) place: &'static str,
    /// Why the archive is not in the first storage. `None`: it is.
    pub(crate) detour: Option<Detour>,
}

impl Archives {
    /// Puts Google Drive before a storage.
    pub(crate) fn open(drive: Option<&Drive>, storage: Storage) -> Result<Self, StorageError> {
        let in_drive = |drive: &Drive| {
            let store = Arc::new(drive.store()?);
            Ok::<_, StorageError>(InDrive { store, room: Arc::new(Semaphore::new(ROOM)) })
        };
        Ok(Self { drive: drive.map(in_drive).transpose()?, storage })
    }

    /// As `open`, at the start of a service: also tests Drive. A failure may be temporary, so it is only logged.
    pub(crate) async fn start(drive: Option<&Drive>, storage: Storage) -> Result<Self, StorageError> {
        let archives = Self::open(drive, storage)?;
        if let Some(InDrive { store, .. }) = &archives.drive
            && let Err(error) = store.probe().await
        {
            tracing::warn!(error = &error as &dyn Error, "nothing can be stored in Google Drive yet");
        }
        Ok(archives)
    }

    /// Whether there is another storage for an archive that the first storage does not take.
    #[must_use]
    pub(crate) fn has_several(&self) -> bool {
        self.drive.is_some() || self.storage.has_fallback()
    }

    /// The names of all places, in the order in which they are tried. A service keeps them with an archive that it begins to write: an
    /// archive in a place that is not among them any more is neither read nor removed.
    #[must_use]
    pub(crate) fn places(&self) -> Vec<String> {
        let drive = self.drive.iter().map(|drive| drive.store.place.clone());
        drive.chain(self.storage.places()).collect()
    }

    /// Where an archive is that was written once. All places, if a place failed: the write that failed may have come through.
    #[must_use]
    pub(crate) fn places_of(&self, stored: Stored) -> Vec<String> {
        let places = self.places().into_iter();
        match stored.detour {
            None => places.take(1).collect(),
            Some(Detour::TooLarge) => places.skip(1).take(1).collect(),
            Some(Detour::Failed(_)) => places.collect(),
        }
    }

    /// Begins to write an archive. If Drive failed a moment ago, it goes to the storage.
    pub(crate) async fn write(&self, key: &str) -> Result<ArchiveWriter, StorageError> {
        let target = match &self.drive {
            Some(drive) if !drive.store.is_failing() => Target::Drive(Held {
                store: Arc::clone(&drive.store),
                free: Arc::clone(&drive.room),
                taken: None,
                pieces: Vec::new(),
            }),
            Some(drive) => {
                tracing::warn!("Google Drive failed a moment ago: an archive goes to the next storage");
                let writer = self.storage.write(key).await?;
                Target::Storage(Box::new(writer), Some(Detour::Failed(drive.store.words)))
            }
            None => {
                let writer = self.storage.write(key).await?;
                let detour = detour(&self.storage, &writer);
                Target::Storage(Box::new(writer), detour)
            }
        };
        Ok(ArchiveWriter { storage: self.storage.clone(), key: key.to_owned(), target })
    }

    /// Reads an archive in pieces.
    pub(crate) async fn read(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let Some(InDrive { store, .. }) = &self.drive else { return self.storage.read(key).await };
        match store.has(key).await {
            Ok(true) => store.read(key).await,
            Ok(false) => self.storage.read(key).await,
            // The archive may be in the storage.
            Err(error) => match self.storage.has(key).await {
                Ok(true) => self.storage.read(key).await,
                Ok(false) | Err(_) => Err(error),
            },
        }
    }

    /// Removes an archive, and the parts of interrupted writes. Nothing happens if there is none.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), StorageError> {
        let removed = self.storage.remove(key).await;
        match &self.drive {
            Some(drive) => drive.store.remove(key).await.and(removed),
            None => removed,
        }
    }
}

/// Why the storage writes to its second place, if it does.
fn detour(storage: &Storage, writer: &Writer) -> Option<Detour> {
    writer.is_fallback().then_some(Detour::Failed(storage.words()))
}

/// An archive that is being written. It is there only once it is finished.
pub(crate) struct ArchiveWriter {
    storage: Storage,
    key: String,
    target: Target,
}

/// Where an archive goes.
enum Target {
    Drive(Held),
    Storage(Box<Writer>, Option<Detour>),
}

/// An archive that is in memory until it is written to Drive.
struct Held {
    store: Arc<Store>,
    free: Arc<Semaphore>,
    /// Its part of the buffer.
    taken: Option<OwnedSemaphorePermit>,
    pieces: Vec<Bytes>,
}

impl Held {
    /// Adds one more piece. False if the buffer is full.
    fn take(&mut self, piece: &[u8]) -> bool {
        let size = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(size) else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        // A copy, because the piece may keep a larger buffer than the room that it takes.
        self.pieces.push(Bytes::copy_from_slice(piece));
        true
    }

    /// Writes the pieces to the storage instead.
    async fn write_to(&self, storage: &Storage, key: &str) -> Result<Box<Writer>, StorageError> {
        let mut writer = storage.write(key).await?;
        for piece in &self.pieces {
            writer.write(piece.clone()).await?;
        }
        Ok(Box::new(writer))
    }
}

impl ArchiveWriter {
    /// Writes the next piece.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), StorageError> {
        match &mut self.target {
            Target::Storage(writer, _) => writer.write(piece).await,
            Target::Drive(held) => {
                if held.take(&piece) {
                    return Ok(());
                }
                tracing::warn!(
                    "no memory is free to hold an archive for Google Drive: it goes to the next storage"
                );
                let mut writer = Box::pin(held.write_to(&self.storage, &self.key)).await?;
                let detour = detour(&self.storage, &writer).unwrap_or(Detour::TooLarge);
                let written = writer.write(piece).await;
                self.target = Target::Storage(writer, Some(detour));
                written
            }
        }
    }

    /// Ends the archive. If Drive fails, the pieces are written to the storage.
    pub(crate) async fn finish(self) -> Result<Stored, StorageError> {
        let (writer, detour) = match self.target {
            Target::Storage(writer, detour) => (writer, detour),
            Target::Drive(held) => {
                let place = held.store.words;
                let Err(error) = Box::pin(held.store.upload(&self.key, held.pieces.clone())).await else {
                    return Ok(Stored { place, detour: None });
                };
                tracing::warn!(
                    error = &error as &dyn Error,
                    "Google Drive failed: an archive goes to the next storage"
                );
                let writer = Box::pin(held.write_to(&self.storage, &self.key)).await?;
                (writer, Some(Detour::Failed(place)))
            }
        };
        let place = writer.words();
        writer.finish().await?;
        Ok(Stored { place, detour })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use futures_util::TryStreamExt;
    use levqor_runtime::{
        config::{Env, Reader},
        id,
        storage::Place,
        testing::drive::FakeDrive,
    };

    use super::*;

    const KEY: &str = "exports/1/1.zip.age";
    /// Bytes of one piece.
    const PIECE: usize = 1 << 20;

    /// A storage of archives in Drive, with a folder behind it.
    struct Bench {
        archives: Archives,
        folder: PathBuf,
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.folder));
        }
    }

    impl Bench {
        fn new(settings: &[(&str, &str)]) -> Self {
            let folder = std::env::temp_dir().join(format!("levqor-archives-{}", id::request_id()));
            let place = [("LEVQOR_STORAGE_DIR", folder.to_str().expect("a path"))];
            let env = Env::from_pairs([settings, &place].concat());
            let mut reader = Reader::new(&env);
            let read = Drive::read(&mut reader).zip(Place::read(&mut reader));
            let (drive, place) = read.expect("settings");
            let storage = Storage::open(&place).expect("a storage");
            Self { archives: Archives::open(Some(&drive), storage).expect("opened"), folder }
        }

        /// Writes an archive of this many pieces, each with other bytes than the one before.
        async fn write(&self, key: &str, pieces: u8) -> Stored {
            let mut writer = self.archives.write(key).await.expect("begun");
            for number in 0..pieces {
                writer.write(Bytes::from(vec![number; PIECE])).await.expect("written");
            }
            writer.finish().await.expect("finished")
        }

        /// Asserts that reading an archive gives the written content.
        async fn assert_whole(&self, key: &str, pieces: u8) {
            let read = self.archives.read(key).await.expect("there");
            let read = read.try_collect::<Vec<_>>().await.expect("whole").concat();
            assert_eq!(read.len(), usize::from(pieces) * PIECE);
            assert!(
                read.chunks(PIECE)
                    .zip(0..)
                    .all(|(piece, number): (&[u8], u8)| piece.iter().all(|byte| *byte == number))
            );
        }

        fn is_in_folder(&self, key: &str) -> bool {
            self.folder.join(key).is_file()
        }
    }

    const IN_DRIVE: Stored = Stored { place: Drive::WORDS, detour: None };

    fn in_folder(detour: Detour) -> Stored {
        Stored { place: "the folder of LEVQOR_STORAGE_DIR", detour: Some(detour) }
    }

    #[tokio::test]
    async fn an_archive_is_stored_in_drive_read_back_and_deleted_permanently() {
        let drive = FakeDrive::start();
        let bench = Bench::new(&drive.settings());
        assert_eq!(bench.write(KEY, 6).await, IN_DRIVE);
        assert_eq!(drive.names(), ["exports-1-1.zip.age"], "in no folder of its own");
        assert!(!bench.is_in_folder(KEY));
        bench.assert_whole(KEY, 6).await;
        for _ in 0..2 {
            bench.archives.remove(KEY).await.expect("removed");
        }
        assert_eq!(drive.names(), Vec::<String>::new(), "the trash has nothing either");
    }

    #[tokio::test]
    async fn an_expired_token_is_fetched_again() {
        let drive = FakeDrive::start();
        let bench = Bench::new(&drive.settings());
        drive.set_lives_briefly(true);
        assert_eq!(bench.write(KEY, 1).await, IN_DRIVE);
        let before = drive.tokens();
        assert!(before > 1, "{before}");
        drive.set_lives_briefly(false);
        bench.assert_whole(KEY, 1).await;
        assert_eq!(drive.tokens(), before + 1, "one that lives is kept");
    }

    #[tokio::test]
    async fn an_archive_that_does_not_fit_into_memory_goes_to_the_next_storage() {
        let drive = FakeDrive::start();
        let bench = Bench::new(&drive.settings());
        // This archive fills the buffer.
        let mut other = bench.archives.write("exports/2/1.zip.age").await.expect("begun");
        other.write(Bytes::from(vec![0; ROOM])).await.expect("written");
        assert_eq!(bench.write(KEY, 1).await, in_folder(Detour::TooLarge));
        assert_eq!(other.finish().await.expect("finished"), IN_DRIVE);
        // The room is free again, and this one is larger.
        assert_eq!(bench.write(KEY, 33).await, in_folder(Detour::TooLarge));
        assert!(bench.is_in_folder(KEY));
        bench.assert_whole(KEY, 33).await;
        assert_eq!(bench.write("exports/3/1.zip.age", 1).await, IN_DRIVE);
        assert_eq!(drive.names(), ["exports-2-1.zip.age", "exports-3-1.zip.age"]);
    }

    #[tokio::test]
    async fn while_drive_fails_archives_go_to_the_next_storage_and_are_found_there() {
        let drive = FakeDrive::start();
        let bench = Bench::new(&drive.settings());
        assert_eq!(bench.write(KEY, 1).await, IN_DRIVE);
        drive.set_down(true);
        let failed = in_folder(Detour::Failed(Drive::WORDS));
        assert_eq!(bench.write("exports/2/1.zip.age", 2).await, failed, "what was held is not lost");
        let calls = drive.calls();
        assert_eq!(bench.write("exports/3/1.zip.age", 2).await, failed);
        assert_eq!(drive.calls(), calls, "Drive is not asked again at once");
        bench.assert_whole("exports/2/1.zip.age", 2).await;
        assert!(bench.archives.read(KEY).await.is_err(), "it may be in Drive");
        bench.archives.remove(KEY).await.expect_err("it is not removed");
        drive.set_down(false);
        bench.assert_whole("exports/3/1.zip.age", 2).await;
        bench.assert_whole(KEY, 1).await;
        bench.archives.drive.as_ref().expect("Drive").store.forget_failure();
        assert_eq!(bench.write("exports/4/1.zip.age", 1).await, IN_DRIVE);
    }

    #[tokio::test]
    async fn the_folder_in_drive_is_used_and_never_made() {
        let drive = FakeDrive::start();
        let bench =
            Bench::new(&[&drive.settings()[..], &[("LEVQOR_STORAGE_DRIVE_ROOT", "/copies")]].concat());
        assert_eq!(bench.write(KEY, 1).await, in_folder(Detour::Failed(Drive::WORDS)));
        assert_eq!(drive.names(), Vec::<String>::new());
        drive.make_folder("copies");
        bench.archives.drive.as_ref().expect("Drive").store.forget_failure();
        assert_eq!(bench.write(KEY, 1).await, IN_DRIVE);
        assert_eq!(drive.names(), ["copies", "exports-1-1.zip.age"]);
        bench.assert_whole(KEY, 1).await;
    }
}
