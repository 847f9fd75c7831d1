//! Takes the database of a release to the newest schema as the program does, and looks for things that the release would miss there.

use levqor_runtime::{
    db::migrations::{self, RUNTIME},
    testing,
};
use serde_json::{Map, Value};
use sqlx::{
    AssertSqlSafe, Column, Connection, Either, Executor, PgConnection, SqlSafeStr, Statement, TypeInfo,
    migrate::{Migration, Migrator},
    postgres::PgStatement,
};

use super::release::{Checksums, Release, Rows, rows};

/// The parts of a release that the newest migrations break: rows and values that are not there any more, rows of the release that the
/// tables do not take any more, and statements that do not run any more or return something else. `contracted` names what may be gone.
pub(super) async fn broken(release: &Release, newest: &Migrator, contracted: &[&str]) -> Vec<String> {
    let url = testing::empty_database().await;
    let mut conn = PgConnection::connect_with(url.options()).await.expect("the test cluster answers");
    for (migrator, released) in [(&RUNTIME, &release.chassis_migrations), (newest, &release.migrations)] {
        only(migrator, released).run(&mut conn).await.expect("the migrations of the release run");
    }
    let refused = replace(&mut conn, &release.rows).await;
    assert!(refused.is_empty(), "the released schema does not take the released rows: {refused:#?}");
    let mut statements = Vec::new();
    for statement in &release.statements {
        let sql = AssertSqlSafe(statement.as_str()).into_sql_str();
        let prepared = conn.prepare(sql).await;
        statements.push(
            prepared.unwrap_or_else(|error| panic!("it does not run in its release: {error}: {statement}")),
        );
    }

    if let Err(error) = migrations::migrate(&url, newest).await {
        return vec![format!("the database cannot be migrated: {error:?}")];
    }
    // A connection caches the columns that a statement returned before.
    let mut conn = PgConnection::connect_with(url.options()).await.expect("the test cluster answers");
    let kept = without(release, contracted);
    let mut broken = lost(&mut conn, &kept).await;
    broken.extend(replace(&mut conn, &kept).await);
    for statement in statements {
        // The release says which types its parameters have.
        let types = statement.parameters().and_then(Either::left).unwrap_or_default();
        let sql = statement.sql().as_str();
        match conn.prepare_with(statement.sql().clone(), types).await {
            Ok(now) if columns(&now) == columns(&statement) => {}
            Ok(now) => broken.push(format!("a statement now returns {:?}: {sql}", columns(&now))),
            Err(error) => broken.push(format!("a statement does not run: {error}: {sql}")),
        }
    }
    broken
}

/// The migrations of a release among those of today.
fn only(migrator: &Migrator, released: &Checksums) -> Migrator {
    with(migrator, migrator.iter().filter(|it| released.contains_key(&it.version)).cloned().collect())
}

/// Other migrations of the same history.
pub(super) fn with(migrator: &Migrator, migrations: Vec<Migration>) -> Migrator {
    Migrator {
        migrations: migrations.into(),
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
        ..Migrator::DEFAULT
    }
}

/// Puts rows into their tables, in place of those that are there. Returns which tables do not take them, and why.
async fn replace(conn: &mut PgConnection, rows: &Rows) -> Vec<String> {
    // Rows may come before those that they refer to, and rows of tables that are append-only are replaced, too.
    let off = "SET session_replication_role = replica";
    sqlx::raw_sql(off).execute(&mut *conn).await.expect("triggers and foreign keys are off");
    let mut refused = Vec::new();
    for (table, rows) in rows {
        if let Err(error) = replace_in(conn, table, rows).await {
            refused.push(format!("{table} does not take the rows of the release: {error}"));
        }
    }
    refused
}

async fn replace_in(
    conn: &mut PgConnection,
    table: &str,
    rows: &[Map<String, Value>],
) -> Result<(), sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(()) };
    let columns = first.keys().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&mut *conn).await?;
    let insert = format!(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
         SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1)"
    );
    sqlx::query(AssertSqlSafe(insert)).bind(Value::from(rows.to_vec())).execute(&mut *conn).await?;
    Ok(())
}

/// The released rows that are not there any more with each of their values.
async fn lost(conn: &mut PgConnection, released: &Rows) -> Vec<String> {
    let today = rows(conn).await;
    let mut lost = Vec::new();
    for (table, rows) in released {
        let there = today.get(table).map(Vec::as_slice).unwrap_or_default();
        for row in rows {
            let is_same =
                |other: &Map<String, Value>| row.iter().all(|(name, value)| other.get(name) == Some(value));
            if !there.iter().any(is_same) {
                lost.push(format!("{table} lost or changed {}", Value::Object(row.clone())));
            }
        }
    }
    lost
}

/// The rows of a release, without the tables and columns that may be gone.
fn without(release: &Release, contracted: &[&str]) -> Rows {
    let stays = |name: String| !contracted.contains(&name.as_str());
    let mut kept = release.rows.clone();
    kept.retain(|table, _| stays(format!("{}.{table}", release.service)));
    for (table, rows) in &mut kept {
        for row in rows {
            row.retain(|column, _| stays(format!("{}.{table}.{column}", release.service)));
        }
    }
    kept
}

/// The columns that a statement returns: their names and types.
fn columns(statement: &PgStatement) -> Vec<(&str, &str)> {
    statement.columns().iter().map(|column| (column.name(), column.type_info().name())).collect()
}
