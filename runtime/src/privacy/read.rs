//! Reads the rows of a subject in pages, counts them, and finds further identifiers in them.

use levqor_proto_runtime::v1::ErasurePlan;
use serde_json::{Map, Value};
use sqlx::{PgConnection, Row as _};

use super::{
    Action, Subject,
    catalogue::{Catalogue, Table, quoted},
    declaration::Link,
    row,
    selection::{self, Search},
};
use crate::db::DbError;

/// The rows of one page. There are few, because a row may hold a content of a megabyte.
const PAGE: i64 = 50;
/// The alias of the table in statements.
pub(crate) const ALIAS: &str = "t";

/// A row of the subject.
pub(crate) struct Found {
    /// The values of its primary key, as texts.
    pub(crate) key: Vec<String>,
    /// All its columns. Null if the walk reads only keys.
    pub(crate) data: Value,
}

/// Which rows a walk reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All rows, with all columns.
    All,
    /// The rows that an erasure would still change, without their columns.
    Remaining,
    /// The rows that an erasure may change now, without their columns. They are locked.
    Due,
    /// The rows that an erasure would still change, even if they wait for a condition, without their columns. They are locked.
    Forced,
}

/// A walk over the subject's rows of one table, in the order of the key.
pub(crate) struct Walk<'w> {
    catalogue: &'w Catalogue,
    table: &'w Table,
    search: &'w Search,
    which: Which,
    after: Option<Vec<String>>,
    is_over: bool,
}

impl<'w> Walk<'w> {
    pub(crate) fn new(catalogue: &'w Catalogue, table: &'w Table, search: &'w Search, which: Which) -> Self {
        Self { catalogue, table, search, which, after: None, is_over: false }
    }

    /// The next rows. `None` after the last ones.
    pub(crate) async fn next(&mut self, conn: &mut PgConnection) -> Result<Option<Vec<Found>>, DbError> {
        if self.is_over {
            return Ok(None);
        }
        let query = self.search.query(self.sql()).bind(self.after.clone()).bind(PAGE);
        let rows = query.fetch_all(conn).await?;
        self.is_over = i64::try_from(rows.len()).unwrap_or(PAGE) < PAGE;
        let mut found = Vec::new();
        for row in rows {
            let key: Vec<String> = row.try_get("key")?;
            self.after = Some(key.clone());
            let contents: Vec<Option<Vec<u8>>> = row.try_get("contents")?;
            let mut contents = contents.iter().flatten();
            if row.try_get("owned")? || contents.any(|content| self.search.mentions.are_in(content)) {
                found.push(Found { key, data: row.try_get("data")? });
            }
        }
        Ok(Some(found))
    }

    /// The next rows, as an export shows them. `None` after the last ones.
    pub(crate) async fn next_shown(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Vec<Map<String, Value>>>, DbError> {
        let rows = self.next(conn).await?;
        Ok(rows.map(|rows| rows.into_iter().map(|found| row::shown(self.table, found.data)).collect()))
    }

    fn sql(&self) -> String {
        let table = self.table;
        let owned = selection::owned(self.catalogue, table, ALIAS);
        let candidate = selection::candidate(table, ALIAS);
        let contents: Vec<_> = selection::contents(table, ALIAS).collect();
        let (order, after) = selection::after(table, ALIAS, self.after.is_none());
        let remaining = selection::remaining(table, ALIAS);
        let once = table.declared.once.as_deref().unwrap_or("true");
        let (data, wanted, lock) = match self.which {
            Which::All => (format!("to_jsonb({ALIAS}.*)"), "true".to_owned(), ""),
            Which::Remaining => ("'null'::jsonb".to_owned(), remaining, ""),
            Which::Due => ("'null'::jsonb".to_owned(), format!("{remaining} AND ({once})"), "FOR UPDATE"),
            Which::Forced => ("'null'::jsonb".to_owned(), remaining, "FOR UPDATE"),
        };
        format!(
            "SELECT {} AS key, coalesce({owned}, false) AS owned, {data} AS data, ARRAY[{}]::bytea[] AS contents
             FROM {} {ALIAS}
             WHERE ({owned} OR {candidate}) AND {wanted} AND {after}
             ORDER BY {order}
             LIMIT $8
             {lock}",
            selection::key(table, ALIAS),
            contents.join(", "),
            table.sql(),
        )
    }
}

/// The key of the row's file in the storage, and its name in the export. `None` if the row has no file, or if the file is deleted.
pub(crate) fn files_of(table: &Table, row: &Map<String, Value>) -> Option<(String, String)> {
    let key = row::file_key(table.declared.file.as_deref()?, row)?;
    if row.get("state").and_then(Value::as_str).is_some_and(|state| state != "STORED") {
        return None;
    }
    let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
    Some((key.clone(), format!("{key}/{name}")))
}

/// What an erasure would do to each table that has rows of the subject.
pub(crate) async fn plans(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    search: &Search,
) -> Result<Vec<ErasurePlan>, DbError> {
    let mut plans = Vec::new();
    for table in &catalogue.tables {
        let which = if table.declared.action == Action::Keep { Which::All } else { Which::Remaining };
        let rows = count(conn, Walk::new(catalogue, table, search, which)).await?;
        if rows == 0 {
            continue;
        }
        let kept: Vec<_> = table.kept().collect();
        let stays = !kept.is_empty() || table.declared.action == Action::Keep;
        let longest =
            kept.iter().filter_map(|column| column.personal.as_ref()).max_by_key(|it| it.keep_days());
        plans.push(ErasurePlan {
            table: table.title(),
            action: table.declared.action.into(),
            rows,
            kept_columns: kept.iter().map(|column| column.name.clone()).collect(),
            ground: if stays { table.declared.ground.clone() } else { String::new() },
            keep: longest.map(|longest| longest.keep.clone()).unwrap_or_default(),
        });
    }
    Ok(plans)
}

/// The tables with rows that an erasure would still change, and how many.
pub(crate) async fn left(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    search: &Search,
) -> Result<Vec<(String, i64)>, DbError> {
    let mut left = Vec::new();
    for table in &catalogue.tables {
        let rows = count(conn, Walk::new(catalogue, table, search, Which::Remaining)).await?;
        if rows > 0 {
            left.push((table.title(), rows));
        }
    }
    Ok(left)
}

/// Whether a table has rows that an erasure would still change.
pub(super) async fn is_left(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    table: &Table,
    search: &Search,
) -> Result<bool, DbError> {
    Ok(count(conn, Walk::new(catalogue, table, search, Which::Remaining)).await? > 0)
}

async fn count(conn: &mut PgConnection, mut walk: Walk<'_>) -> Result<i64, DbError> {
    if selection::contents(walk.table, ALIAS).next().is_none() {
        let wanted = match walk.which {
            Which::All => "true".to_owned(),
            Which::Remaining | Which::Due | Which::Forced => selection::remaining(walk.table, ALIAS),
        };
        let owned = selection::owned(walk.catalogue, walk.table, ALIAS);
        let sql = format!("SELECT count(*) FROM {} {ALIAS} WHERE {owned} AND {wanted}", walk.table.sql());
        return Ok(walk.search.query(sql).fetch_one(conn).await?.try_get(0)?);
    }
    let mut rows = 0;
    while let Some(found) = walk.next(conn).await? {
        rows += i64::try_from(found.len()).unwrap_or_default();
    }
    Ok(rows)
}

/// Adds the identifiers that the subject's rows hold: the vendor's ids of all their rows, and the ids of accounts whose
/// address they have proven. An address is never added: nothing in a row proves that it is theirs.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    search: &Search,
    mut subject: Subject,
) -> Result<Subject, DbError> {
    for table in &catalogue.tables {
        let links = &table.declared.links;
        let has_account = links.iter().any(|link| matches!(link, Link::Account(_)));
        for link in links {
            let (column, found) = match link {
                Link::Vendor(column) => (column, &mut subject.vendor_ids),
                Link::Sub(column) if has_account => (column, &mut subject.subs),
                _ => continue,
            };
            let column = quoted(column);
            let sql = format!(
                "SELECT DISTINCT {ALIAS}.{column} FROM {} {ALIAS} WHERE {} AND {ALIAS}.{column} IS NOT NULL",
                table.sql(),
                selection::owned(catalogue, table, ALIAS)
            );
            for row in search.query(sql).fetch_all(&mut *conn).await? {
                found.insert(row.try_get(0)?);
            }
        }
    }
    // An erasure wrote this value. It identifies no person.
    subject.vendor_ids.remove("erased");
    Ok(subject)
}
