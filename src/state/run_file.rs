//! `run.json`: where the mesh of a data directory runs, written by `levqor up` and read by the other commands.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, SeekFrom, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use anyhow::Context;
use nix::{
    fcntl::{OFlag, open, openat, renameat},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, unlinkat},
};
use serde::{Deserialize, Serialize};

/// The file.
pub(super) const NAME: &str = "run.json";
/// The file while it is written.
const NEW: &str = "run.new";

/// Where the running mesh is, for the other commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Where the metrics are, for Prometheus.
    #[serde(default)]
    pub(crate) metrics: String,
    /// The gateway's address.
    pub(crate) url: String,
    /// The services' gRPC addresses.
    pub(crate) grpc: BTreeMap<String, String>,
    /// The process, for people. Who asks whether it runs asks the lock: a number may become another process's.
    pub(crate) pid: u32,
    /// Settings that its environment gave it, by name; of secrets that are made, these were not.
    pub(crate) given: Vec<String>,
    /// The folder of its private PostgreSQL; none where the operator named a server.
    #[serde(default)]
    pub(crate) postgres: Option<PathBuf>,
    /// Whether everything was started; false while it starts.
    pub(crate) ready: bool,
}

/// The data directory, held open to write the file: root's `up` becomes another user, who may not reach it by its path.
pub(crate) struct HeldRunFile {
    folder: OwnedFd,
    path: PathBuf,
    /// The file as it was written last.
    file: Option<File>,
}

impl HeldRunFile {
    pub(super) fn of(data: &Path) -> anyhow::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let folder = open(data, flags, Mode::empty());
        let folder = folder.with_context(|| format!("cannot use the data directory {}", data.display()))?;
        Ok(Self { folder, path: data.join(NAME), file: None })
    }

    /// Says where things run.
    pub(crate) fn write(&mut self, run: &RunFile) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(run)?;
        let failed = || format!("cannot write {}", self.path.display());
        match self.replace(&bytes) {
            Ok(file) => self.file = Some(file),
            // A folder that was there before may be closed to the user that root became. The file itself is still open.
            Err(error) => match &mut self.file {
                Some(file) => overwrite(file, &bytes).with_context(failed)?,
                None => return Err(error).with_context(failed),
            },
        }
        Ok(())
    }

    /// Writes a new file, which only its owner reads, and puts it in the place of the old one.
    fn replace(&self, bytes: &[u8]) -> std::io::Result<File> {
        // It may be there: a power cut leaves it. A link in its place is not followed.
        let _ = unlinkat(&self.folder, NEW, UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.folder, NEW, flags, Mode::from_bits_truncate(0o600))?);
        file.write_all(bytes)?;
        file.sync_all()?;
        renameat(&self.folder, NEW, &self.folder, NAME)?;
        Ok(file)
    }

    /// Says that nothing runs.
    pub(crate) fn remove(&mut self) {
        let Some(file) = self.file.take() else { return };
        if unlinkat(&self.folder, NAME, UnlinkatFlags::NoRemoveDir).is_err() {
            // An empty one says the same. It is only a hint: that nothing runs, the lock says.
            let _ = file.set_len(0);
        }
    }
}

impl Drop for HeldRunFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn overwrite(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.sync_all()
}
