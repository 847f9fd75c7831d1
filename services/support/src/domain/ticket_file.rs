//! Files that came with a mail to a ticket: which of them are taken.

use levqor_proto_support::v1 as wire;
use levqor_runtime::{file::harmless_name, typed_id, wire_enum};

typed_id!(pub(crate) FileId, "a file");
typed_id!(pub(crate) InboundMailId, "a received mail");

wire_enum! {
    /// The outcome of a file.
    pub(crate) enum FileState: wire::ticket_file::State {
        /// It is being fetched.
        Pending = "PENDING",
        /// It is stored.
        Stored = "STORED",
        /// It is too large, or the files of its mail are in all.
        TooLarge = "TOO_LARGE",
        /// It is a program.
        Refused = "REFUSED",
        /// It cannot be had any more.
        Gone = "GONE",
        /// There is no storage.
        NoStorage = "NO_STORAGE",
    }
}

/// The most bytes of the files of one mail in all.
pub(crate) const MOST_BYTES: u64 = 20 << 20;
/// The most files of one mail that are fetched.
const MOST_FILES: usize = 20;
/// The most files of one mail that are shown.
const MOST_SHOWN: usize = 100;

/// A file.
pub(crate) struct TicketFile {
    pub(crate) id: FileId,
    pub(crate) name: String,
    pub(crate) state: FileState,
    pub(crate) content_type: Option<String>,
    pub(crate) size_bytes: Option<i64>,
}

/// A file as a mail announces it.
pub(crate) struct Announced {
    pub(crate) attachment_id: String,
    /// Its place among the files of the mail, from 0.
    pub(crate) place: i16,
    pub(crate) name: String,
    pub(crate) state: FileState,
}

/// The place of a file in the storage.
pub(crate) fn storage_key(id: FileId) -> String {
    format!("tickets/{id}")
}

/// Decides which files of a mail are fetched: id, name and announced size of each.
pub(crate) fn announced<'a>(
    files: impl Iterator<Item = (&'a str, &'a str, i64)>,
    has_storage: bool,
) -> Vec<Announced> {
    let mut bytes = 0_u64;
    let mut taken = 0;
    let mut all = Vec::new();
    for (place, (attachment_id, name, size)) in (0..).zip(files.take(MOST_SHOWN)) {
        bytes = bytes.saturating_add(size.unsigned_abs());
        let (name, state) = match harmless_name(name) {
            Err(program) => (program.to_string(), FileState::Refused),
            Ok(name) if bytes > MOST_BYTES || taken >= MOST_FILES => (name, FileState::TooLarge),
            Ok(name) if !has_storage => (name, FileState::NoStorage),
            Ok(name) => (name, FileState::Pending),
        };
        taken += usize::from(state == FileState::Pending);
        all.push(Announced { attachment_id: attachment_id.to_owned(), place, name, state });
    }
    all
}

impl From<TicketFile> for wire::TicketFile {
    fn from(file: TicketFile) -> Self {
        Self {
            file_id: file.id.to_string(),
            name: file.name,
            state: file.state.into(),
            content_type: file.content_type.unwrap_or_default(),
            size_bytes: file.size_bytes.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileState::{NoStorage, Pending, Refused, TooLarge};

    #[test]
    fn files_up_to_20_mb_are_accepted_except_programs() {
        let mib = |mib: i64| mib << 20;
        let states = |files: &[(&str, i64)], has_storage| {
            let files = files.iter().map(|(name, size)| ("1", *name, *size));
            announced(files, has_storage).iter().map(|file| file.state).collect::<Vec<_>>()
        };
        let files = [("a.pdf", mib(12)), ("b.exe", 1), ("c.pdf", mib(7)), ("d.pdf", mib(1)), ("e.pdf", 0)];
        assert_eq!(states(&files, true), [Pending, Refused, Pending, TooLarge, TooLarge]);
        assert_eq!(states(&[("a.pdf", 1)], false), [NoStorage]);
        assert_eq!(states(&[("a.pdf", i64::MIN)], true), [TooLarge]);
        let many = vec![("a.pdf", 1); 150];
        let states = states(&many, true);
        assert_eq!((states.len(), states.iter().filter(|state| **state == Pending).count()), (100, 20));
    }
}
