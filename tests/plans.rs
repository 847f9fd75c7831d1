//! Every statement of ours can find its rows by an index. The test explains it with the settings of transactions that claim work:
//! with these, PostgreSQL reads a whole table only if there is no other way. No statement may do that. The tables of work are
//! empty when all work is done. Their statements must use an index even if PostgreSQL knows that a table is empty, because it
//! keeps that plan, and a backlog may come before it makes the next plan. The test does not find a condition that an index
//! supports, but that excludes few rows.

mod lists;

use std::{collections::HashMap, fs, path::Path};

use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{Db, Tx},
    testing,
};
use levqor_support::Support;
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// Ways that cost more the more rows there are.
const WHOLE: &[&str] = &["Seq Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join"];
/// Indexes that may be read from end to end: 400 days of hours for each schedule, once a day; the audit chain, when it is
/// verified; the questions of help articles, some hundreds that staff wrote, each of which is compared with a customer's question; the
/// incidents that staff published; the withdrawals that wait for the decision of a bank.
const WALKED: &[&str] = &[
    "schedule_slots_pkey",
    "audit_entries_pkey",
    "questions_pkey",
    "incidents_public",
    "withdrawals_waiting",
];
/// The words in statements that claim or settle work: tables that are empty whenever all work is done, or the state of rows that
/// nobody has then.
const WORK: &[&str] = &["runtime.work", "runtime.leases", "'PENDING'"];
/// Nodes that hand on rows one by one: a limit above such a node ends the nodes below it.
const PASSING: &[&str] = &["LockRows", "Subquery Scan", "Result"];

/// The nodes of a plan whose cost grows with the number of rows, if any. What is read of an index in its order, and not
/// filtered, ends with the page.
fn whole(plan: &Value, limited: bool, leading: &HashMap<String, String>) -> Option<String> {
    let way = plan["Node Type"].as_str().unwrap_or_default();
    if WHOLE.contains(&way) {
        return Some(format!("{way} of {}", plan["Relation Name"]));
    }
    if way.starts_with("Index") {
        let name = plan["Index Name"].as_str().expect("a name");
        let is_narrowed = plan["Index Cond"].as_str().map(|condition| names(condition, &leading[name]));
        let ends = || limited && plan["Filter"].is_null();
        if !is_narrowed.unwrap_or_else(ends) && !WALKED.contains(&name) {
            return Some(format!("a walk along {name}"));
        }
    }
    let limited = way == "Limit" || (limited && PASSING.contains(&way));
    children(plan).iter().find_map(|child| whole(child, limited, leading))
}

/// Whether a condition is about a column, or an expression in brackets.
fn names(condition: &str, column: &str) -> bool {
    if column.starts_with('(') {
        return condition.contains(column);
    }
    condition.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column)
}

/// By index, its first column or expression: a condition on others alone narrows nothing.
async fn leading_columns(tx: &mut Tx) -> HashMap<String, String> {
    let columns = "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true) FROM pg_index";
    let columns: Vec<(String, String)> = sqlx::query_as(columns).fetch_all(&mut **tx).await.expect("indexes");
    // `EXPLAIN` names an index without its schema.
    columns
        .into_iter()
        .map(|(index, column)| (index.rsplit('.').next().unwrap_or_default().to_owned(), column))
        .collect()
}

/// Whether a plan changes a batch that it locks in passing: by the order of the join it could take one batch for each row of
/// the table. A batch that is a subplan of its own is taken once.
fn joins_batch(plan: &Value, changed: bool) -> bool {
    let way = plan["Node Type"].as_str().unwrap_or_default();
    let name = plan["Subplan Name"].as_str().unwrap_or_default();
    let once = name.starts_with("CTE ") || name.starts_with("InitPlan ");
    let changed = way == "ModifyTable" || (changed && !once);
    (changed && way == "LockRows") || children(plan).iter().any(|child| joins_batch(child, changed))
}

fn children(plan: &Value) -> &[Value] {
    plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a statement reads a page, and has filters that may be unset, `($1 IS NULL OR …)`. Such are planned each time, for the
/// values that they have: see `lists`.
fn is_list(statement: &str) -> bool {
    let mut before: Vec<_> = statement.split(" IS NULL OR ").collect();
    before.pop();
    let filters = before
        .into_iter()
        .any(|text| text.rsplit(['(', ' ']).next().is_some_and(|word| word.starts_with('$')));
    filters && statement.contains("LIMIT $")
}

/// Whether a statement changes a batch that it locked, and does not claim work (a purge, for example). PostgreSQL may read the
/// other tables of a join in any way.
fn is_batch(statement: &str) -> bool {
    statement.contains("MATERIALIZED") && !WORK.iter().any(|word| statement.contains(word))
}

/// The fault of a plan.
fn faults(plan: &Value, statement: &str, leading: &HashMap<String, String>) -> Vec<String> {
    let way = if is_list(statement) || is_batch(statement) { None } else { whole(plan, false, leading) };
    way.into_iter().chain(joins_batch(plan, false).then(|| "a joined batch".to_owned())).collect()
}

/// How PostgreSQL runs a statement, whatever its parameters are.
async fn plan(tx: &mut Tx, statement: &str, parameters: usize) -> Value {
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE statement AS {statement}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut **tx).await.expect(statement);
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE statement{arguments}");
    let explained: Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut **tx).await.expect(statement);
    sqlx::raw_sql("DEALLOCATE statement").execute(&mut **tx).await.expect("forgotten");
    explained[0]["Plan"].clone()
}

/// The statements of a crate, and how many parameters each has.
pub(crate) fn statements(crate_folder: &str) -> Vec<(String, usize)> {
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
    let mut tx = db.begin_work().await.expect("a transaction");
    let leading = leading_columns(&mut tx).await;
    for wrong in [
        "SELECT FROM runtime.idempotency_records WHERE rpc = $1",
        "SELECT FROM runtime.idempotency_records WHERE request_hash = $1",
        "SELECT FROM runtime.work WHERE attempts = $1 ORDER BY create_time LIMIT 1",
        "SELECT count(*) FROM runtime.work WHERE $1 = 1",
        "SELECT FROM runtime.work JOIN runtime.work AS twin USING (work_id) WHERE twin.state = $1",
        "DELETE FROM runtime.work WHERE work_id IN
             (SELECT work_id FROM runtime.work WHERE state = 'DEAD' AND create_time < $1 LIMIT 1 FOR UPDATE)",
    ] {
        assert!(
            !faults(&plan(&mut tx, wrong, 1).await, wrong, &leading).is_empty(),
            "nothing is found in {wrong}"
        );
    }
    drop(tx);
    // First, PostgreSQL has no statistics of the tables. Then its statistics say that they are empty.
    for known in [false, true] {
        if known {
            sqlx::raw_sql("VACUUM ANALYZE").execute(db.pool()).await.expect("analysed");
        }
        let mut tx = db.begin_work().await.expect("a transaction");
        let mut found = Vec::new();
        for (statement, parameters) in crate_folders.into_iter().flat_map(statements) {
            if known && !WORK.iter().any(|table| statement.contains(table)) {
                continue;
            }
            let plan = plan(&mut tx, &statement, parameters).await;
            found.extend(
                faults(&plan, &statement, &leading).into_iter().map(|fault| format!("{fault}: {statement}")),
            );
        }
        assert!(found.is_empty(), "known to be empty: {known}\n{}", found.join("\n"));
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

#[tokio::test]
async fn support_finds_rows_by_an_index() {
    let db = testing::connect(&testing::database::<Support>().await);
    assert_found_by_index(&db, ["runtime", "services/support"]).await;
}

#[tokio::test]
async fn compliance_finds_rows_by_an_index() {
    let db = testing::connect(&testing::database::<Compliance>().await);
    assert_found_by_index(&db, ["runtime", "services/compliance"]).await;
}
