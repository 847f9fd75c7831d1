//! The limit of open files of the process. Each connection is an open file.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// No process needs more, and some systems have no limit.
const MAX: u64 = 1 << 20;

/// Raises the limit of open files as far as the system allows. Many systems start with 1,024, which dates from `select`.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(MAX);
    if soft < wanted
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot raise the number of open files");
    }
}

/// The most open connections. The other files are for other ports, the database and other services.
pub(super) fn most_connections(wanted: usize) -> usize {
    let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let files = usize::try_from(soft).unwrap_or(usize::MAX);
    wanted.min(files / 4 * 3)
}
