//! `run.json`: the addresses of the mesh of a data directory. `levqor up` writes it, and the other commands read it.

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

/// The name of the file.
pub(super) const NAME: &str = "run.json";
/// The name of the file while it is written.
const NEW: &str = "run.new";

/// The addresses of the running mesh, for the other commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// The address of the metrics, for Prometheus.
    #[serde(default)]
    pub(crate) metrics: String,
    /// The address of the gateway.
    pub(crate) url: String,
    /// The gRPC addresses of the services.
    pub(crate) grpc: BTreeMap<String, String>,
    /// The process id, for people. Programs check the lock instead, because the system reuses process ids.
    pub(crate) pid: u32,
    /// The names of the settings from the environment. A secret that is not in this list was made by `levqor up`.
    pub(crate) given: Vec<String>,
    /// The folder of the private PostgreSQL. None if the operator named a server.
    #[serde(default)]
    pub(crate) postgres: Option<PathBuf>,
    /// Whether the mesh has started. False during the start.
    pub(crate) ready: bool,
}

/// The data directory, kept open to write the file. After root has become another user, that user may not reach the directory by
/// its path.
pub(crate) struct HeldRunFile {
    folder: OwnedFd,
    path: PathBuf,
    /// The file as it was last written.
    file: Option<File>,
}

impl HeldRunFile {
    pub(super) fn of(data: &Path) -> anyhow::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let folder = open(data, flags, Mode::empty());
        let folder = folder.with_context(|| format!("cannot use the data directory {}", data.display()))?;
        Ok(Self { folder, path: data.join(NAME), file: None })
    }

    /// Writes the file.
    pub(crate) fn write(&mut self, run: &RunFile) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(run)?;
        let failed = || format!("cannot write {}", self.path.display());
        match self.replace(&bytes) {
            Ok(file) => self.file = Some(file),
            // A directory that existed before may be closed to the user that root became. But the old file is still open.
            Err(error) => match &mut self.file {
                Some(file) => overwrite(file, &bytes).with_context(failed)?,
                None => return Err(error).with_context(failed),
            },
        }
        Ok(())
    }

    /// Writes a new file that only its owner can read, and renames it over the old one.
    fn replace(&self, bytes: &[u8]) -> std::io::Result<File> {
        // A power cut may leave this file. Removing it first also avoids following a link.
        let _ = unlinkat(&self.folder, NEW, UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.folder, NEW, flags, Mode::from_bits_truncate(0o600))?);
        file.write_all(bytes)?;
        file.sync_all()?;
        renameat(&self.folder, NEW, &self.folder, NAME)?;
        Ok(file)
    }

    /// Removes the file: no mesh runs.
    pub(crate) fn remove(&mut self) {
        let Some(file) = self.file.take() else { return };
        if unlinkat(&self.folder, NAME, UnlinkatFlags::NoRemoveDir).is_err() {
            // An empty file means the same. The file is only a hint; the lock says whether a mesh runs.
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
