//! The only SQL of billing, one file per table. Who begins a transaction commits it; nothing here does either.

pub(crate) mod leases;
pub(crate) mod orders;
pub(crate) mod stripe_events;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use levqor_runtime::{db::DbError, error::ServiceError};
use uuid::Uuid;

/// A row of a list: its place, and what stands in it unless it cannot be read. One row that cannot be read must not take the
/// whole list away: it is left out, and an ERROR says so.
pub(crate) struct Listed<T> {
    pub(crate) place: (DateTime<Utc>, Uuid),
    pub(crate) row: Option<T>,
}

impl<T> Listed<T> {
    fn new(table: &'static str, place: (DateTime<Utc>, Uuid), row: Result<T, DbError>) -> Self {
        let unreadable = |error: DbError| {
            let reason = error.reason();
            tracing::error!(
                what = table,
                error = &error as &dyn std::error::Error,
                reason,
                "a row cannot be read, and is left out of a list"
            );
        };
        Self { place, row: row.map_err(unreadable).ok() }
    }
}

/// Reads a column that holds a name or an id. What cannot be read was written by a newer binary.
fn known<T: FromStr>(column: &'static str, text: &str) -> Result<T, DbError> {
    text.parse().map_err(|_| not_known(column))
}

/// A column holds what this binary does not know.
fn not_known(column: &'static str) -> DbError {
    let source = "not a value that is known".into();
    DbError::Statement(sqlx::Error::ColumnDecode { index: column.to_owned(), source })
}

/// The same for a column that may be null.
fn known_if_any<T: FromStr>(column: &'static str, text: Option<&str>) -> Result<Option<T>, DbError> {
    text.map(|text| known(column, text)).transpose()
}
