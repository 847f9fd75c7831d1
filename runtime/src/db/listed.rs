//! Rows of lists: one that cannot be read must not take the whole list away.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::DbError;
use crate::error::ServiceError;

/// A row of a list: its place, and what stands in it. A row that cannot be read keeps its place, so that pages follow each
/// other, and is left out; an ERROR says so.
pub struct Listed<T> {
    /// The row's place in the list.
    pub place: (DateTime<Utc>, Uuid),
    /// What stands in the row; none where it cannot be read.
    pub row: Option<T>,
}

impl<T> Listed<T> {
    /// A row of this table, as far as it could be read.
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
