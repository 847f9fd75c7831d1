//! Rows of lists: one unreadable row does not make the whole list fail.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::DbError;
use crate::error::ServiceError;

/// A row of a list: its position and its content. An unreadable row keeps its position, so that paging works. The list does not show it,
/// and an ERROR is logged.
pub struct Listed<T> {
    /// The row's position in the list.
    pub place: (DateTime<Utc>, Uuid),
    /// The content. `None` if it cannot be read.
    pub row: Option<T>,
}

impl<T> Listed<T> {
    /// Creates a row of this table, and logs an error if it cannot be read.
    pub fn new(table: &'static str, place: (DateTime<Utc>, Uuid), row: Result<T, DbError>) -> Self {
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
