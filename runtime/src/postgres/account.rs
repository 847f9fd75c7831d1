//! The user that PostgreSQL runs as if root starts it, and the change from root to that user.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use nix::{
    fcntl::OFlag,
    unistd::{Gid, Uid, User},
};

use super::PostgresError;

/// An unprivileged user.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The user that PostgreSQL runs as. `None` if this process is not root. Then PostgreSQL runs as the user of this process.
    pub fn choose() -> Result<Option<Self>, PostgresError> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let find = |name| User::from_name(name).ok().flatten();
        let user = find("postgres").or_else(|| find("nobody")).ok_or(PostgresError::NoAccount)?;
        Ok(Some(Self { uid: user.uid, gid: user.gid }))
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> String {
        user_name(self.uid.as_raw())
    }

    /// Makes this user the owner of an open file.
    pub fn own(&self, file: &File) -> io::Result<()> {
        fchown(file, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
    }

    /// Makes a program run as this user.
    pub(super) fn run_as(self, command: &mut Command) {
        command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
    }

    /// Changes this process, with all threads, to this user permanently. It first leaves its current folder, because the user may have no
    /// access to it.
    pub fn assume(&self) -> Result<(), PostgresError> {
        let failed = |source: nix::Error| PostgresError::Drop { source: source.into() };
        std::env::set_current_dir("/").map_err(|source| PostgresError::Drop { source })?;
        // Groups come first: only root may set them.
        nix::unistd::setgroups(&[self.gid]).map_err(failed)?;
        nix::unistd::setresgid(self.gid, self.gid, self.gid).map_err(failed)?;
        nix::unistd::setresuid(self.uid, self.uid, self.uid).map_err(failed)
    }
}

/// A user's name, or the number if there is no name.
#[must_use]
pub fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Creates a folder that only its owner may enter: the account, or this user if there is no account. A link at this path is
/// accepted only if this user or root created it, because root would follow the link of any user.
pub(super) fn make_closed_folder(path: &Path, account: Option<Account>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let link = fs::symlink_metadata(path)?;
    let own_link = link.is_symlink() && [0, nix::unistd::geteuid().as_raw()].contains(&link.uid());
    let flags = if own_link { OFlag::O_DIRECTORY } else { OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW };
    let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    folder.set_permissions(fs::Permissions::from_mode(0o700))?;
    account.map_or(Ok(()), |account| account.own(&folder))
}

/// The folder's owner, if it is not the account (or this user, if there is no account).
pub(super) fn other_owner(path: &Path, account: Option<Account>) -> io::Result<Option<u32>> {
    let owner = fs::metadata(path)?.uid();
    let expected = account.map_or_else(nix::unistd::geteuid, |account| account.uid).as_raw();
    Ok((owner != expected).then_some(owner))
}
