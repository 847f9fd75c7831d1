//! The only SQL of billing, one file per table. Who begins a transaction commits it; nothing here does either.

pub(crate) mod leases;
pub(crate) mod orders;
pub(crate) mod stripe_events;

use std::str::FromStr;

use levqor_runtime::db::DbError;

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
