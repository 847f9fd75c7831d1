//! The files that the process may have open. Each connection is one of them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than this nobody needs, and some systems name no limit at all.
const MOST: u64 = 1 << 20;

/// Raises the number of files that the process may open as far as the system allows. Many systems begin with 1,024, a number
/// from the days of `select`.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(MOST);
    if soft < wanted
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot raise the number of open files");
    }
}

/// How many connections may be open at once: the rest of the files is for other ports, the database and the other services.
pub(super) fn most_connections(wanted: usize) -> usize {
    let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let files = usize::try_from(soft).unwrap_or(usize::MAX);
    wanted.min(files / 4 * 3)
}
