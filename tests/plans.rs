//! No statement of ours is planned in a way that reads all of a table or of a join, not even while the tables are empty: such a
//! plan is kept, and a heap may come before the next. Walks along a whole index are not found.

use std::{fs, path::Path};

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{Conn, Db},
    testing,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// Ways that cost more the more rows there are.
const WHOLE: [&str; 4] = ["Seq Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join"];

/// What a plan does that costs more the more rows there are, if anything.
fn whole(plan: &Value) -> Option<String> {
    let way = plan["Node Type"].as_str().unwrap_or_default();
    if WHOLE.contains(&way) {
        return Some(format!("{way} of {}", plan["Relation Name"]));
    }
    plan["Plans"].as_array()?.iter().find_map(whole)
}

/// How PostgreSQL runs a statement, whatever its parameters are.
async fn plan(conn: &mut Conn, statement: &str, parameters: usize) -> Value {
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE statement AS {statement}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut **conn).await.expect(statement);
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE statement{arguments}");
    let explained: Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut **conn).await.expect(statement);
    sqlx::raw_sql("DEALLOCATE statement").execute(&mut **conn).await.expect("forgotten");
    explained[0]["Plan"].clone()
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
    let by_sender = "SELECT FROM runtime.idempotency_records WHERE request_hash = $1";
    assert!(whole(&plan(&mut conn, by_sender, 1).await).is_some(), "a statement without an index is found");
    // Tables that nobody knows to be empty, and tables that are known to be.
    for analyse in ["SELECT", "VACUUM ANALYZE"] {
        sqlx::raw_sql(analyse).execute(&mut *conn).await.expect("analysed");
        let mut found = Vec::new();
        for (statement, parameters) in crate_folders.into_iter().flat_map(statements) {
            let way = whole(&plan(&mut conn, &statement, parameters).await);
            found.extend(way.map(|way| format!("{way}: {statement}")));
        }
        assert!(found.is_empty(), "after {analyse}:\n{}", found.join("\n"));
    }
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
