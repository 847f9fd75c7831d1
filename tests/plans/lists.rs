//! A page of a list reads about what it shows, however many rows there are, where what it is filtered by is rare or is spread
//! over the list. What is neither is walked to: PostgreSQL does not know where in a list a state is.

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    db::{Db, ListTx},
    testing,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{children, is_list, statements};

/// How many rows each table has that are like each other, a second apart.
const ROWS: u32 = 20_000;
/// How many rows a page of 50 may read: itself, or the hundreds of one or two states that few are in.
const READ: f64 = 250.0;
/// After so many PostgreSQL may keep one plan for all values, where it looks as good.
/// <https://www.postgresql.org/docs/current/sql-prepare.html>
const PLANS_BEFORE_ONE_IS_KEPT: usize = 5;
/// The instant of the row in the middle.
const MIDDLE: &str = "'2026-01-01 00:00:00+00'::timestamptz + interval '10000 s'";

/// How many rows a plan has read of tables and indexes.
fn read(plan: &Value) -> f64 {
    let number = |field: &str| plan[field].as_f64().unwrap_or_default();
    let rows =
        number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let own = if plan["Relation Name"].is_null() { 0.0 } else { rows * number("Actual Loops") };
    own + children(plan).iter().map(read).sum::<f64>()
}

/// How many rows the prepared list reads with these arguments.
async fn read_by(tx: &mut ListTx, arguments: &str) -> f64 {
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE list({arguments})");
    let explained: Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut **tx).await.expect(arguments);
    read(&explained[0]["Plan"])
}

async fn fill(db: &Db, rows: &str) {
    let filled = rows
        .replace("ROWS", &ROWS.to_string())
        .replace("TIME", "'2026-01-01Z'::timestamptz + n * interval '1 s'");
    sqlx::raw_sql(AssertSqlSafe(filled)).execute(db.pool()).await.expect("rows");
    sqlx::raw_sql("VACUUM ANALYZE").execute(db.pool()).await.expect("analysed");
}

/// Of each of a crate's lists, told by its table, every way to call it reads little.
async fn assert_read_little(db: &Db, crate_folder: &str, lists: &[(&str, &[&str])]) {
    let all: Vec<_> =
        statements(crate_folder).into_iter().map(|(text, _)| text).filter(|text| is_list(text)).collect();
    assert_eq!(all.len(), lists.len(), "each list of {crate_folder} has its cases");
    let mut tx = db.begin_list().await.expect("a transaction");
    for (table, calls) in lists {
        let list = all.iter().find(|text| text.contains(&format!("FROM {table}"))).expect("a list");
        let prepare = format!("PREPARE list AS {list}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *tx).await.expect(list);
        // Beside these, as beside lists of a large backlog, one plan for all values looks good.
        let dear = calls[0].replace(" 51", " 1000000");
        for _ in 0..PLANS_BEFORE_ONE_IS_KEPT {
            assert!(read_by(&mut tx, &dear).await > READ, "a list of {table} is not dear");
        }
        for arguments in *calls {
            let arguments = arguments.replace("MIDDLE", MIDDLE);
            let read = read_by(&mut tx, &arguments).await;
            assert!(read <= READ, "a page of {table} with ({arguments}) reads {read} rows");
        }
        sqlx::raw_sql("DEALLOCATE list").execute(&mut *tx).await.expect("forgotten");
    }
}

#[tokio::test]
async fn pages_of_billing_read_what_they_show() {
    let db = testing::connect(&testing::database::<Billing>().await);
    // The first of all are the few that differ: a walk from the newest row comes to them last.
    fill(
        &db,
        "INSERT INTO stripe_events
            (event_id, create_time, type, livemode, lease_key, state, receive_time, process_time, failure)
         SELECT 'evt_' || n, TIME, CASE WHEN n <= 400 AND n % 10 = 0 THEN 'rare.' || state ELSE 'customer.updated' END, false, 'k', state,
                TIME, CASE WHEN state IN ('PROCESSED', 'IGNORED') THEN TIME END,
                CASE WHEN state = 'QUARANTINED' THEN 'why' END
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'QUARANTINED' WHEN n <= 300 THEN 'PROCESSED'
                              ELSE 'IGNORED' END AS state) AS s;
         INSERT INTO orders
            (order_id, owner_sub, customer_email, customer_name, stripe_checkout_session_id, tier, state, currency,
             amount_minor, revisions_left, create_time, update_time, pay_time)
         SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', 'cs_' || n,
                'STARTER', 'PAID', 'EUR', 1, 1, TIME, TIME, TIME
         FROM generate_series(1, ROWS) AS n",
    )
    .await;
    let events = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, MIDDLE, 5, 51",
        "'{IGNORED}', NULL, MIDDLE, 5, 51",
        "'{IGNORED}', 'customer.updated', NULL, NULL, 51",
        "'{PENDING}', NULL, NULL, NULL, 51",
        "'{PENDING}', 'rare.PENDING', NULL, NULL, 51",
        "'{QUARANTINED}', NULL, NULL, NULL, 51",
        "'{QUARANTINED}', 'none', NULL, NULL, 51",
        "'{PROCESSED}', NULL, NULL, NULL, 51",
        "'{PROCESSED}', 'rare.PROCESSED', NULL, NULL, 51",
        "'{IGNORED}', 'rare.IGNORED', NULL, NULL, 51",
        "'{IGNORED}', 'none', NULL, NULL, 51",
        "'{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'none', NULL, NULL, 51",
        "'{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'rare.PENDING', NULL, NULL, 51",
        "'{PENDING,PROCESSED,IGNORED,QUARANTINED}', 'customer.updated', MIDDLE, 5, 51",
    ];
    let orders = [
        "true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51",
        "true, NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "true, NULL, NULL, 'PAID', NULL, NULL, NULL, NULL, 51",
        "true, NULL, NULL, NULL, '7@example.com', NULL, NULL, NULL, 51",
        "true, NULL, NULL, NULL, NULL, 'cs_7', NULL, NULL, 51",
        "true, NULL, NULL, NULL, NULL, 'cs_none', NULL, NULL, 51",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51",
        "false, 'sub-7', '7@example.com', 'CANCELLED', NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
    ];
    assert_read_little(&db, "services/billing", &[("stripe_events", &events), ("orders", &orders)]).await;
}

#[tokio::test]
async fn pages_of_notifications_read_what_they_show() {
    let db = testing::connect(&testing::database::<Notifications>().await);
    fill(
        &db,
        "INSERT INTO messages
            (message_id, template, template_version, about, recipient_hash, sender, subject, body_text, body_html, state,
             provider, provider_message_id, failure, doubt, create_time, send_time, delivery_outcome, delivery_outcome_time)
         SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'rare' ELSE 'welcome' END, 1, 'orders/' || n,
                sha256(convert_to((n % 400)::text, 'UTF8')), '', '', '', '', state,
                CASE WHEN state = 'SENT' THEN 'p' END, CASE WHEN state = 'SENT' THEN 'id_' || n END,
                CASE WHEN state = 'FAILED' THEN 'why' END, CASE WHEN state = 'IN_DOUBT' THEN 'why' END, TIME,
                CASE WHEN state = 'SENT' THEN TIME END, CASE WHEN state = 'SENT' THEN outcome END,
                CASE WHEN state = 'SENT' THEN TIME END
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'IN_DOUBT' WHEN n <= 300 THEN 'FAILED'
                              ELSE 'SENT' END AS state,
                              CASE WHEN n <= 400 THEN 'COMPLAINED' ELSE 'DELIVERED' END AS outcome) AS s;
         INSERT INTO provider_events
            (provider_event_id, event_id, provider, type, state, provider_message_id, message_id, failure, receive_time,
             settle_time)
         SELECT gen_random_uuid(), 'e_' || n, 'p', CASE WHEN n <= 100 THEN 'rare' ELSE 'email.delivered' END, state, 'id',
                CASE WHEN state = 'APPLIED' THEN (SELECT message_id FROM messages LIMIT 1) END,
                CASE WHEN state = 'QUARANTINED' THEN 'why' END, TIME,
                CASE WHEN state IN ('APPLIED', 'IGNORED', 'UNMATCHED') THEN TIME END
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'PENDING' WHEN n <= 200 THEN 'AWAITING_MESSAGE'
                              WHEN n <= 300 THEN 'QUARANTINED' WHEN n <= 400 THEN 'UNMATCHED' WHEN n <= 500 THEN 'IGNORED'
                              ELSE 'APPLIED' END AS state) AS s;
         INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, state, due_time, create_time)
         SELECT gen_random_uuid(), 'a.B', '', n::text, CASE WHEN n > ROWS - 100 THEN 'DEAD' ELSE 'WAITING' END, TIME, TIME
         FROM generate_series(1, ROWS) AS n",
    )
    .await;
    let messages = [
        "NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "sha256('7'), NULL, NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, 'welcome', NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, 'rare', NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, 'none', NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, 'orders/7', NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, 'orders/none', NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, 'PENDING', NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, 'IN_DOUBT', NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, 'FAILED', NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, 'SENT', NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, NULL, 'COMPLAINED', NULL, NULL, 51",
        "NULL, NULL, NULL, NULL, 'BOUNCED_HARD', NULL, NULL, 51",
        "NULL, 'welcome', NULL, 'SENT', 'DELIVERED', MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
    ];
    let events = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'APPLIED', NULL, NULL, NULL, 51",
        "'PENDING', NULL, NULL, NULL, 51",
        "'AWAITING_MESSAGE', NULL, NULL, NULL, 51",
        "'QUARANTINED', NULL, NULL, NULL, 51",
        "'UNMATCHED', NULL, NULL, NULL, 51",
        "'IGNORED', NULL, NULL, NULL, 51",
        "NULL, 'rare', NULL, NULL, 51",
        "NULL, 'none', NULL, NULL, 51",
        "'APPLIED', 'email.delivered', NULL, NULL, 51",
    ];
    assert_read_little(
        &db,
        "services/notifications",
        &[("messages", &messages), ("provider_events", &events)],
    )
    .await;
    let calls = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'WAITING', NULL, NULL, 51",
        "'DEAD', NULL, NULL, 51",
    ];
    assert_read_little(&db, "runtime", &[("runtime.work", &calls)]).await;
}
