//! Reads the columns of a row, and checks that a statement changed one row.

use std::str::FromStr;

use sqlx::postgres::PgQueryResult;

use super::DbError;

/// Reads a column that holds a name or an id. A newer binary may have written an unknown value.
pub fn known<T: FromStr>(column: &'static str, text: &str) -> Result<T, DbError> {
    text.parse().map_err(|_| not_known(column))
}

/// Reads a nullable column.
pub fn known_if_any<T: FromStr>(column: &'static str, text: Option<&str>) -> Result<Option<T>, DbError> {
    text.map(|text| known(column, text)).transpose()
}

/// The error for a column value that this binary does not know.
#[must_use]
pub fn not_known(column: &'static str) -> DbError {
    let source = "not a value that is known".into();
    DbError::Statement(sqlx::Error::ColumnDecode { index: column.to_owned(), source })
}

/// Checks that a statement changed exactly one row.
pub fn one_row(done: &PgQueryResult) -> Result<(), DbError> {
    if done.rows_affected() == 1 { Ok(()) } else { Err(DbError::Statement(sqlx::Error::RowNotFound)) }
}
