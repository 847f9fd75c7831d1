//! Corrects the name of a person, and a wrong address, in the person's rows, in transactions of some hundred rows. Each transaction also
//! counts its rows, so that the receipt is correct after a crash. The comments of the columns declare which columns are corrected. Contents
//! that mention the person do not change: they record what was written.

use std::time::Instant;

use uuid::Uuid;

use super::{
    BATCH, CALL_TIME,
    catalogue::{Catalogue, Table, quoted},
    declaration::PersonalColumn,
    read::ALIAS,
    receipts,
    selection::{self, Search},
};
use crate::db::{Db, DbError};

/// A correction in this database.
pub(crate) struct Rectification<'r> {
    pub(crate) id: Uuid,
    pub(crate) catalogue: &'r Catalogue,
    pub(crate) values: Vec<Value<'r>>,
}

/// A value to correct.
pub(crate) struct Value<'r> {
    pub(crate) kind: ValueKind,
    /// Which rows are corrected. For an address: the rows with the wrong address.
    pub(crate) search: &'r Search,
    /// The right value.
    pub(crate) right: &'r str,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// The name.
    Name,
    /// The address. Only the wrong address is replaced: a person may have several.
    Email,
}

/// Corrects for some seconds. Returns how many rows of each table were corrected in all calls, and whether no wrong row is left. A row with
/// two wrong values counts twice.
pub(crate) async fn rectify(
    db: &Db,
    rectification: &Rectification<'_>,
) -> Result<(Vec<(String, i64)>, bool), DbError> {
    let end = Instant::now() + CALL_TIME;
    let id = rectification.id;
    let mut conn = db.acquire().await?;
    if !receipts::begin(&mut conn, id).await? && receipts::applied(&mut conn, &[id]).await?.contains(&id) {
        return Ok((receipts::get(&mut conn, id).await?, true));
    }
    drop(conn);
    for value in &rectification.values {
        for table in &rectification.catalogue.tables {
            let Some(sql) = statement(rectification.catalogue, table, value.kind) else { continue };
            while correct(db, id, table, value, &sql).await? {
                if Instant::now() > end {
                    return Ok((receipts::get(&mut *db.acquire().await?, id).await?, false));
                }
            }
        }
    }
    Ok((receipts::get(&mut *db.acquire().await?, id).await?, true))
}

/// Corrects one batch. Returns whether there may be more.
async fn correct(db: &Db, id: Uuid, table: &Table, value: &Value<'_>, sql: &str) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    let query = value.search.query(sql.to_owned()).bind(value.right).bind(BATCH);
    let rows = query.execute(&mut *tx).await?.rows_affected();
    let rows = receipts::count(&mut tx, id, &table.title(), rows).await?;
    tx.commit().await?;
    Ok(rows == BATCH)
}

/// The statement that corrects some rows of a table. `None`: it has no column with such a value.
fn statement(catalogue: &Catalogue, table: &Table, kind: ValueKind) -> Option<String> {
    let category = match kind {
        ValueKind::Name => "NAME",
        ValueKind::Email => "EMAIL",
    };
    let is_such = |personal: &PersonalColumn| personal.is_rectified && personal.category == category;
    let names: Vec<_> = table
        .columns
        .iter()
        .filter(|column| column.kind == "text" && column.personal.as_ref().is_some_and(is_such))
        .map(|column| quoted(&column.name))
        .collect();
    if names.is_empty() {
        return None;
    }
    let is_wrong = |name: &String| match kind {
        ValueKind::Name => format!("{ALIAS}.{name} IS DISTINCT FROM $7"),
        ValueKind::Email => format!("({ALIAS}.{name} = ANY($2) AND {ALIAS}.{name} <> $7)"),
    };
    let wrong = selection::any(names.iter().map(is_wrong));
    let set: Vec<_> = names.iter().map(|name| format!("{name} = $7")).collect();
    let keys: Vec<_> = table.key.iter().map(|name| quoted(name)).collect();
    let of: Vec<_> = keys.iter().map(|key| format!("{ALIAS}.{key}")).collect();
    Some(format!(
        "UPDATE {table} SET {} WHERE ({}) IN (
             SELECT {} FROM {table} {ALIAS} WHERE {} AND {wrong} LIMIT $8 FOR UPDATE)",
        set.join(", "),
        keys.join(", "),
        of.join(", "),
        selection::owned(catalogue, table, ALIAS),
        table = table.sql(),
    ))
}
