//! A page of a list reads about as many rows as it shows, in a table of any size, if the rows that match its filter are rare, or
//! are spread evenly over the list. For other filters PostgreSQL may read many rows that do not match, because it does not know
//! in which part of the list the matching rows are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{Db, ListTx},
    testing,
};
use levqor_support::Support;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{children, is_list, statements};

/// How many rows each table has. Most are similar, and their times are one second apart.
const ROWS: u32 = 20_000;
/// How many rows a page of 50 may read: its own rows, or all rows of one or two rare states.
const READ: f64 = 250.0;
/// After this number of executions, PostgreSQL may use one generic plan for all values, if that plan looks no more expensive.
/// <https://www.postgresql.org/docs/current/sql-prepare.html>
const PLANS_BEFORE_ONE_IS_KEPT: usize = 5;
/// The instant of the row in the middle.
const MIDDLE: &str = "'2026-01-01 00:00:00+00'::timestamptz + interval '10000 s'";

/// How many rows a plan has read from tables and indexes.
fn read(plan: &Value) -> f64 {
    let number = |field: &str| plan[field].as_f64().unwrap_or_default();
    let rows =
        number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let own = if plan["Relation Name"].is_null() { 0.0 } else { rows * number("Actual Loops") };
    own + children(plan).iter().map(read).sum::<f64>()
}

/// How many rows the prepared statement of a list reads with these arguments.
async fn read_by(tx: &mut ListTx, arguments: &str) -> f64 {
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE list({arguments})");
    let explained: Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut **tx).await.expect(arguments);
    read(&explained[0]["Plan"])
}

/// The fixture of a list, beside the test of its RPC: `<rpc>.sql`. First, it fills the tables with `ROWS` rows; the instant of row `n` is
/// `TIME`. Each line after that, `EXECUTE table(arguments);`, reads a page. The first of them reads rows of all kinds.
struct Fixture {
    file: PathBuf,
    rows: String,
    /// What follows `FROM` in the statement of the list.
    table: String,
    /// The arguments of each page.
    pages: Vec<String>,
}

impl Fixture {
    fn read(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).expect("text");
        let mut parts = text.split("\nEXECUTE ");
        let rows = parts.next().expect("a first part").to_owned();
        let (mut table, mut pages) = (String::new(), Vec::new());
        for page in parts {
            let (of, arguments) = page.trim().split_once('(').expect("a table and arguments");
            of.clone_into(&mut table);
            pages.push(arguments.strip_suffix(");").expect("the end of the arguments").to_owned());
        }
        assert!(!pages.is_empty(), "{} executes no page", file.display());
        Self { file, rows, table, pages }
    }

    /// Whether this is the statement of the list.
    fn is_of(&self, statement: &str) -> bool {
        statement.contains(&format!("FROM {}", self.table))
    }

    async fn fill(&self, db: &Db) {
        let rows = self
            .rows
            .replace("ROWS", &ROWS.to_string())
            .replace("TIME", "'2026-01-01Z'::timestamptz + n * interval '1 s'");
        let filled = sqlx::raw_sql(AssertSqlSafe(rows)).execute(db.pool()).await;
        filled.unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
    }
}

/// The fixtures of a crate, in the order of their names.
fn fixtures(crate_folder: &str) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_folder).join("tests/api");
    let files = fs::read_dir(&folder).expect("tests").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|it| it == "sql")).collect();
    files.sort();
    files.into_iter().map(Fixture::read).collect()
}

/// Asserts that every list of a crate reads few rows for each page of its fixture.
async fn assert_read_little(db: &Db, crate_folder: &str) {
    let fixtures = fixtures(crate_folder);
    let lists: Vec<_> =
        statements(crate_folder).into_iter().map(|(text, _)| text).filter(|text| is_list(text)).collect();
    for list in &lists {
        let found = fixtures.iter().filter(|fixture| fixture.is_of(list)).count();
        assert_eq!(
            found, 1,
            "this list needs one fixture, {crate_folder}/tests/api/<rpc>.sql, with rows and pages: {list}"
        );
    }
    for fixture in &fixtures {
        fixture.fill(db).await;
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(db.pool()).await.expect("analysed");
    let mut tx = db.begin_list().await.expect("a transaction");
    for fixture in &fixtures {
        let Fixture { file, table, pages, .. } = fixture;
        let list = lists.iter().find(|list| fixture.is_of(list));
        let list = list.unwrap_or_else(|| panic!("{}: no list reads from {table}", file.display()));
        let prepare = format!("PREPARE list AS {list}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *tx).await.expect(list);
        // After these expensive executions PostgreSQL takes a generic plan for cheap. In production, a list of a large backlog
        // has the same effect.
        let expensive = pages[0].replace(" 51", " 1000000");
        for _ in 0..PLANS_BEFORE_ONE_IS_KEPT {
            assert!(read_by(&mut tx, &expensive).await > READ, "a list of {table} is not expensive");
        }
        for arguments in pages {
            let arguments = arguments.replace("MIDDLE", MIDDLE);
            let read = read_by(&mut tx, &arguments).await;
            assert!(read <= READ, "a page of {table} with ({arguments}) reads {read} rows");
        }
        sqlx::raw_sql("DEALLOCATE list").execute(&mut *tx).await.expect("forgotten");
    }
}

#[tokio::test]
async fn pages_of_billing_read_few_rows() {
    let db = testing::connect(&testing::database::<Billing>().await);
    assert_read_little(&db, "services/billing").await;
}

#[tokio::test]
async fn pages_of_notifications_read_few_rows() {
    let db = testing::connect(&testing::database::<Notifications>().await);
    assert_read_little(&db, "services/notifications").await;
}

#[tokio::test]
async fn pages_of_support_read_few_rows() {
    let db = testing::connect(&testing::database::<Support>().await);
    assert_read_little(&db, "services/support").await;
}

#[tokio::test]
async fn pages_of_compliance_read_few_rows() {
    let db = testing::connect(&testing::database::<Compliance>().await);
    assert_read_little(&db, "services/compliance").await;
}

#[tokio::test]
async fn pages_of_the_chassis_read_few_rows() {
    let db = testing::connect(&testing::database::<Notifications>().await);
    assert_read_little(&db, "runtime").await;
}
