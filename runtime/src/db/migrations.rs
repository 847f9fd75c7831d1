//! Migrations of the chassis and of the service. Each has its own history. This file runs and compares both.

use std::{borrow::Cow, collections::BTreeMap};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    migrate::{MigrateError, Migrator},
};

use super::{DatabaseUrl, DbError};

/// The chassis' own migrations, in schema `runtime`.
pub static RUNTIME: Migrator = sqlx::migrate!();

/// The state of a database's schema, compared with the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// The schema is exactly the binary's.
    Current,
    /// This number of migrations is pending: run `levqor migrate`.
    Behind(usize),
    /// A newer binary ran migrations that this one does not know. They are compatible by rule.
    Ahead(usize),
    /// This number of applied migrations differs from the binary's: the database belongs to another build.
    Changed(usize),
}

/// The database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database does not answer.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// A migration failed, or history and files differ.
    #[error("a migration failed")]
    Migrate(#[from] MigrateError),
    /// The list of applied migrations cannot be read.
    #[error("the history of the migrations cannot be read")]
    History(#[source] DbError),
    /// The tables could not be analysed after the migrations.
    #[error("the tables could not be analysed")]
    Analyse(#[source] sqlx::Error),
}

/// Applies all pending migrations, and ignores those of a newer binary. Concurrent replicas wait for each other.
pub async fn migrate(url: &DatabaseUrl, service: &Migrator) -> Result<(), MigrationError> {
    let mut conn = PgConnection::connect_with(url.options()).await.map_err(MigrationError::Connect)?;
    for migrator in [&RUNTIME, service] {
        let applied = applied(&mut conn, &migrator.table_name).await.map_err(MigrationError::History)?;
        if let Some(version) = removed(migrator, &applied) {
            return Err(MigrateError::VersionMissing(version).into());
        }
        beside_newer(migrator).run(&mut conn).await?;
    }
    // A migration may have filled a column or created an index, so the planner needs new statistics. An empty table is not analysed:
    // PostgreSQL would expect that it stays empty, and would read whole indexes until autovacuum analyses the table.
    let analyse = "DO $$ DECLARE filled regclass; BEGIN
                       FOR filled IN SELECT oid FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > 0
                                     AND relnamespace IN ('public'::regnamespace, 'runtime'::regnamespace) LOOP
                           EXECUTE format('ANALYZE %s', filled);
                       END LOOP;
                   END $$";
    sqlx::raw_sql(analyse).execute(&mut conn).await.map_err(MigrationError::Analyse)?;
    conn.close().await.map_err(MigrationError::Connect)
}

/// The same migrations, but they also run if a newer binary has run its own migrations. Those are compatible by rule. A rollback needs
/// this, because the previous binary's `levqor migrate` runs before that binary serves.
fn beside_newer(migrator: &Migrator) -> Migrator {
    Migrator {
        migrations: migrator.migrations.clone(),
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
        ignore_missing: true,
        ..Migrator::DEFAULT
    }
}

/// An applied migration that the binary does not have, although it has a later one. It is not from a newer binary, because newer migrations
/// come last. It was removed or renamed, so the database belongs to another build.
fn removed(migrator: &Migrator, applied: &BTreeMap<i64, Vec<u8>>) -> Option<i64> {
    let newest = migrator.iter().map(|migration| migration.version).max()?;
    applied.keys().copied().find(|version| *version < newest && !migrator.version_exists(*version))
}

/// The comparison of a database's history with the binary, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Applied migrations.
    pub applied: usize,
    /// Known migrations that are not applied.
    pub pending: usize,
    /// Applied migrations that the binary does not know.
    pub unknown: usize,
    /// Applied migrations that differ from the binary's.
    pub changed: usize,
}

impl History {
    /// The state of the schema.
    #[must_use]
    pub fn schema(self) -> Schema {
        match (self.changed, self.pending, self.unknown) {
            (0, 0, 0) => Schema::Current,
            (0, 0, ahead) => Schema::Ahead(ahead),
            (0, behind, _) => Schema::Behind(behind),
            (changed, _, _) => Schema::Changed(changed),
        }
    }
}

/// Compares a database's history with the binary.
pub async fn compare(conn: &mut PgConnection, service: &Migrator) -> Result<History, DbError> {
    let mut history = History { applied: 0, pending: 0, unknown: 0, changed: 0 };
    for migrator in [&RUNTIME, service] {
        let known: BTreeMap<i64, &Cow<'_, [u8]>> =
            migrator.iter().map(|migration| (migration.version, &migration.checksum)).collect();
        let applied = applied(conn, &migrator.table_name).await?;
        history.applied += applied.len();
        history.pending += known.keys().filter(|version| !applied.contains_key(version)).count();
        for (version, checksum) in &applied {
            match known.get(version) {
                None => history.unknown += 1,
                Some(known) if known.as_ref() != checksum.as_slice() => history.changed += 1,
                Some(_) => {}
            }
        }
    }
    Ok(history)
}

/// The applied migrations: version and checksum. Empty if the history table does not exist yet.
async fn applied(conn: &mut PgConnection, table: &str) -> Result<BTreeMap<i64, Vec<u8>>, DbError> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *conn).await?;
    if !exists {
        return Ok(BTreeMap::new());
    }
    // The table's name is part of the binary, never input.
    let query = AssertSqlSafe(format!("SELECT version, checksum FROM {table} WHERE success"));
    Ok(sqlx::query_as(query).fetch_all(conn).await?.into_iter().collect())
}
