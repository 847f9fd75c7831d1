//! The parts of a service in a release: its migrations, its statements, and the rows of a database that the release filled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use levqor_runtime::{db::migrations, testing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection, migrate::Migrator};

use crate::{
    canaries::{Person, fill},
    plans,
};

/// The SHA-384 of migrations, as text, by their versions.
pub(super) type Checksums = BTreeMap<i64, String>;

/// The rows of tables, without columns that PostgreSQL generates. A table is named with its schema.
pub(super) type Rows = BTreeMap<String, Vec<Map<String, Value>>>;

/// The histories of migrations, which are not data of the service.
const HISTORIES: [&str; 2] = ["public._sqlx_migrations", "runtime.migrations"];

/// A service in a release.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Release {
    /// The name of the service.
    pub(super) service: String,
    /// The migrations of the chassis.
    pub(super) chassis_migrations: Checksums,
    /// Its own migrations.
    pub(super) migrations: Checksums,
    /// The statements of the chassis and its own ones.
    pub(super) statements: BTreeSet<String>,
    /// Rows of every table. All people in them are invented.
    pub(super) rows: Rows,
}

impl Release {
    /// The parts that a release of today would have: it fills a new database.
    pub(super) async fn of_today(service: &'static str, migrator: &Migrator) -> Self {
        let url = testing::database_of(service, migrator).await;
        let db = testing::connect(&url);
        fill(service, &db, &Person::numbered(1)).await;
        let own = format!("services/{service}");
        let statements = ["runtime", own.as_str()].into_iter().flat_map(plans::statements);
        Self {
            service: service.to_owned(),
            chassis_migrations: checksums(&migrations::RUNTIME),
            migrations: checksums(migrator),
            statements: statements.map(|(statement, _)| statement).collect(),
            rows: rows(&mut db.acquire().await.expect("a connection")).await,
        }
    }

    /// Reads the file of a service in a release.
    pub(super) fn read(folder: &Path, service: &str) -> Self {
        let path = path(folder, service);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes its file.
    pub(super) fn write(&self, folder: &Path) {
        let text = serde_json::to_string_pretty(self).expect("JSON") + "\n";
        fs::write(path(folder, &self.service), text).expect("the file");
    }
}

/// The file of a service in the folder of a release.
fn path(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.json"))
}

/// The checksums of migrations.
pub(super) fn checksums(migrator: &Migrator) -> Checksums {
    migrator.iter().map(|migration| (migration.version, hex::encode(&migration.checksum))).collect()
}

/// The released migrations that this program does not have, or not as they were released.
pub(super) fn edited(released: &Checksums, migrator: &Migrator) -> Vec<i64> {
    let today = checksums(migrator);
    let is_edited = |(version, checksum): &(&i64, &String)| today.get(*version) != Some(*checksum);
    released.iter().filter(is_edited).map(|(version, _)| *version).collect()
}

/// New migrations whose timestamps are not later than every released one. The release's `levqor migrate` would report them as removed.
pub(super) fn misplaced(released: &Checksums, migrator: &Migrator) -> Vec<i64> {
    let newest = released.keys().max().copied().unwrap_or_default();
    let is_misplaced = |version: &i64| *version < newest && !released.contains_key(version);
    migrator.iter().map(|migration| migration.version).filter(is_misplaced).collect()
}

/// The rows of all tables.
pub(super) async fn rows(conn: &mut PgConnection) -> Rows {
    let tables: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT * FROM (
             SELECT format('%I.%I', n.nspname, c.relname) AS name,
                    coalesce(array_agg(a.attname::text) FILTER (WHERE a.attgenerated <> ''), '{}')
             FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('public', 'runtime')
             GROUP BY 1
         ) AS tables WHERE name <> ALL ($1)",
    )
    .bind(HISTORIES.map(str::to_owned).to_vec())
    .fetch_all(&mut *conn)
    .await
    .expect("the catalogue");
    let mut rows = Rows::new();
    for (table, generated) in tables {
        let sql = format!("SELECT to_jsonb(t.*) - $1 FROM {table} AS t ORDER BY 1");
        let found: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(generated)
            .fetch_all(&mut *conn)
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        let found = found.into_iter().map(|row| match row {
            Value::Object(row) => row,
            other => panic!("{table}: a row is {other}"),
        });
        rows.insert(table.clone(), found.collect());
    }
    rows
}
