//! Finds out whether a database takes writes: it may answer every question while its disk is full, or while it is a standby.

use sqlx::PgConnection;

use super::DbError;

/// Whether a database takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Nobody has tried.
    Unknown,
    /// It does.
    Taken,
    /// It only takes reads: a standby, or set so.
    ReadOnly,
    /// There is no room for more.
    NoRoom,
    /// It refuses them for another reason.
    Refused,
}

impl Writes {
    /// Whether nothing speaks against writes.
    #[must_use]
    pub fn are_taken(self) -> bool {
        matches!(self, Self::Unknown | Self::Taken)
    }

    /// The same in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "not tried yet",
            Self::Taken => "are taken",
            Self::ReadOnly => "the database only takes reads",
            Self::NoRoom => "the database has no room: its disk is full, or a limit of its own is reached",
            Self::Refused => "the database refuses writes",
        }
    }
}

/// The memory for sorting of the connection that probes, so that what is written below goes to the disk.
pub(crate) const WORK_MEM: (&str, &str) = ("work_mem", "64kB");

/// Updates a row and writes a temporary file of a megabyte: updating one row succeeds even on a full disk, so a file is written too.
pub(crate) async fn probe(conn: &mut PgConnection) -> Result<Writes, DbError> {
    // Skipped while another replica is probing.
    let row = "UPDATE runtime.write_probes SET probe_time = runtime.now() WHERE write_probe_id = \
               (SELECT write_probe_id FROM runtime.write_probes WHERE write_probe_id = 1 FOR UPDATE SKIP LOCKED)";
    let file = "SELECT count(*) FROM generate_series(1, 75000)";
    for statement in [row, file] {
        if let Err(error) = sqlx::query(statement).execute(&mut *conn).await {
            return refusal(error);
        }
    }
    Ok(Writes::Taken)
}

fn refusal(error: sqlx::Error) -> Result<Writes, DbError> {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        // No answer at all is another matter, and so is a server that is going down.
        None => Err(error.into()),
        Some(code) if code.starts_with("08") || code.starts_with("57") => Err(error.into()),
        Some("25006") => Ok(Writes::ReadOnly),
        Some(code) if code.starts_with("53") => Ok(Writes::NoRoom),
        Some(_) => Ok(Writes::Refused),
    }
}
