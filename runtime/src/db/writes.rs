//! Probes whether a database accepts writes: it may answer every query while its disk is full, or while it is a standby.

use sqlx::PgConnection;

use super::DbError;

/// Whether a database accepts writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// No probe has run.
    Unknown,
    /// It accepts writes.
    Taken,
    /// It is read-only: a standby, or configured so.
    ReadOnly,
    /// The disk is full.
    NoRoom,
    /// It refuses writes for another reason.
    Refused,
}

impl Writes {
    /// Whether no probe has found a problem with writes.
    #[must_use]
    pub fn are_taken(self) -> bool {
        matches!(self, Self::Unknown | Self::Taken)
    }

    /// The result, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "not tried yet",
            Self::Taken => "are taken",
            Self::ReadOnly => "the database only accepts reads",
            Self::NoRoom => "the database has no room: its disk is full, or a limit of its own is reached",
            Self::Refused => "the database refuses writes",
        }
    }
}

/// The sort memory of the probing connection: so small that the query below writes a file to the disk.
pub(crate) const WORK_MEM: (&str, &str) = ("work_mem", "64kB");

/// Updates a row and writes a temporary file of a megabyte. A full disk still allows the update of one row, so the probe also
/// writes a file.
pub(crate) async fn probe(conn: &mut PgConnection) -> Result<Writes, DbError> {
    // Skips the row while another replica updates it.
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
        // A missing answer or a shutdown is an error, not a result.
        None => Err(error.into()),
        Some(code) if code.starts_with("08") || code.starts_with("57") => Err(error.into()),
        Some("25006") => Ok(Writes::ReadOnly),
        Some(code) if code.starts_with("53") => Ok(Writes::NoRoom),
        Some(_) => Ok(Writes::Refused),
    }
}
