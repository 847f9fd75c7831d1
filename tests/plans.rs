//! No statement of ours reads a whole table, not even where its plan was made while the table was empty. A connection keeps
//! its plans, and a heap may come at any time.

use std::{fs, path::Path};

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{Conn, Db},
    testing,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// What costs more the more rows there are.
const WHOLE: [&str; 4] = ["Seq Scan on", "Bitmap Heap Scan", "Hash Join", "Merge Join"];

/// How PostgreSQL runs a statement, whatever its parameters are.
async fn plan(conn: &mut Conn, statement: &str, parameters: usize) -> String {
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE statement AS {statement}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut **conn).await.expect(statement);
    let explain = format!("EXPLAIN EXECUTE statement{arguments}");
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut **conn).await.expect(statement);
    sqlx::raw_sql("DEALLOCATE statement").execute(&mut **conn).await.expect("forgotten");
    lines.join("\n")
}

/// The statements of a crate, and how many parameters each has.
fn statements(crate_folder: &str) -> Vec<(String, usize)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_folder).join(".sqlx");
    let files = fs::read_dir(&folder).expect("statements").map(|file| file.expect("a file").path());
    let read = |file| {
        let described: Value = serde_json::from_slice(&fs::read(file).expect("a statement")).expect("JSON");
        let parameters = described["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len);
        (described["query"].as_str().expect("a text").to_owned(), parameters)
    };
    files.map(read).collect()
}

async fn assert_found_by_index(db: &Db, crate_folders: [&str; 2]) {
    let mut conn = db.acquire().await.expect("a connection");
    let mut whole = Vec::new();
    for (statement, parameters) in crate_folders.into_iter().flat_map(statements) {
        let plan = plan(&mut conn, &statement, parameters).await;
        if WHOLE.iter().any(|way| plan.contains(way)) {
            whole.push(format!("{statement}\n{plan}"));
        }
    }
    assert!(whole.is_empty(), "{}", whole.join("\n\n"));
}

#[tokio::test]
async fn billing_finds_rows_by_an_index() {
    let db = testing::connect(&testing::database::<Billing>().await);
    assert_found_by_index(&db, ["runtime", "services/billing"]).await;
}

#[tokio::test]
async fn notifications_find_rows_by_an_index() {
    let db = testing::connect(&testing::database::<Notifications>().await);
    assert_found_by_index(&db, ["runtime", "services/notifications"]).await;
}
