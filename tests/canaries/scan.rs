//! Searches every table of every database, and every file. It does not use the declarations, because they may be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use levqor_runtime::db::Db;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{named, person::Person};

/// Every column with something of this person, as `service.table.column`.
pub(crate) async fn found_in(databases: &[Db], person: &Person) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (service, db) in named(databases) {
        for (table, row) in rows(db, &tables(db).await).await {
            let columns = row.as_object().expect("a row").iter();
            let theirs = columns.filter(|(_, value)| person.is_in(value));
            found.extend(theirs.map(|(column, _)| format!("{service}.{}.{column}", title(&table))));
        }
    }
    found
}

/// Every row with something of this person, whole, by `service.table`, except holds, which services get each day.
pub(crate) async fn rows_of(databases: &[Db], person: &Person) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (service, db) in named(databases) {
        let mut tables = tables(db).await;
        tables.retain(|table| title(table) != "runtime.holds");
        for (table, row) in rows(db, &tables).await.into_iter().filter(|(_, row)| person.is_in(row)) {
            found.entry(format!("{service}.{}", title(&table))).or_default().insert(row.to_string());
        }
    }
    found
}

/// All rows of these tables, whole.
pub(crate) async fn rows_of_tables(
    databases: &[Db],
    wanted: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (service, db) in named(databases) {
        let name = |table: &String| format!("{service}.{}", title(table));
        let mut tables = tables(db).await;
        tables.retain(|table| wanted.contains(&name(table)));
        found.extend(tables.iter().map(|table| (name(table), BTreeSet::new())));
        for (table, row) in rows(db, &tables).await {
            found.entry(name(&table)).or_default().insert(row.to_string());
        }
    }
    found
}

/// Every file in a folder that has something of this person in its path or in its content.
pub(crate) fn files_with(folder: &Path, person: &Person) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, person));
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        // A file may be removed meanwhile.
        if person.is_in_text(&name) || person.is_in_bytes(&fs::read(&path).unwrap_or_default()) {
            found.push(name);
        }
    }
    found
}

/// The name of a table in reports: without its schema, if that is the service's own.
fn title(table: &str) -> &str {
    table.strip_prefix("public.").unwrap_or(table)
}

/// The tables of a database.
async fn tables(db: &Db) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
    )
    .fetch_all(db.pool())
    .await
    .expect("tables")
}

/// The rows of these tables, each with the name of its table.
async fn rows(db: &Db, tables: &[String]) -> Vec<(String, Value)> {
    if tables.is_empty() {
        return Vec::new();
    }
    // One statement, because tests read all tables again and again.
    let of = |table: &String| format!("SELECT '{table}', to_jsonb(t.*) FROM {table} t");
    let sql = tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ");
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(db.pool()).await.expect("rows")
}
