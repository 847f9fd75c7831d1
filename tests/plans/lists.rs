//! A page of a list reads about as many rows as it shows, in a table of any size, if the rows that match its filter are rare, or
//! are spread evenly over the list. For other filters PostgreSQL may read many rows that do not match, because it does not know
//! in which part of the list the matching rows are.

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

async fn fill(db: &Db, rows: &str) {
    let filled = rows
        .replace("ROWS", &ROWS.to_string())
        .replace("TIME", "'2026-01-01Z'::timestamptz + n * interval '1 s'");
    sqlx::raw_sql(AssertSqlSafe(filled)).execute(db.pool()).await.expect("rows");
    sqlx::raw_sql("VACUUM ANALYZE").execute(db.pool()).await.expect("analysed");
}

/// Asserts that every list of a crate reads few rows with each of its arguments. The table identifies the list.
async fn assert_read_little(db: &Db, crate_folder: &str, lists: &[(&str, &[&str])]) {
    let all: Vec<_> =
        statements(crate_folder).into_iter().map(|(text, _)| text).filter(|text| is_list(text)).collect();
    assert_eq!(all.len(), lists.len(), "each list of {crate_folder} has its cases");
    let mut tx = db.begin_list().await.expect("a transaction");
    for (table, calls) in lists {
        let list = all.iter().find(|text| text.contains(&format!("FROM {table}"))).expect("a list");
        let prepare = format!("PREPARE list AS {list}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *tx).await.expect(list);
        // After these expensive executions PostgreSQL takes a generic plan for cheap. In production, a list of a large backlog
        // has the same effect.
        let expensive = calls[0].replace(" 51", " 1000000");
        for _ in 0..PLANS_BEFORE_ONE_IS_KEPT {
            assert!(read_by(&mut tx, &expensive).await > READ, "a list of {table} is not expensive");
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
async fn pages_of_billing_read_few_rows() {
    let db = testing::connect(&testing::database::<Billing>().await);
    // The few rows with another state are the oldest: a scan that begins with the newest row reaches them last.
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
            (order_id, owner_sub, customer_email, customer_name, stripe_checkout_session_id, tier, payment_state, fulfilment_state,
             currency, amount_minor, revisions_left, create_time, update_time, pay_time)
         SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', 'cs_' || n,
                'STARTER', 'PAID', 'AWAITING_INTAKE', 'EUR', 1, 1, TIME, TIME, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO refunds
            (refund_id, order_id, stripe_payment_intent_id, stripe_refund_id, state, currency, amount_minor, reason, origin,
             create_time, update_time)
         SELECT gen_random_uuid(), lpad(to_hex(n % 400), 32, '0')::uuid, 'pi_' || n, 're_' || n,
                CASE WHEN n <= 100 THEN 'PENDING' ELSE 'SUCCEEDED' END, 'GBP', 1, '', 'STAFF', TIME, TIME
         FROM generate_series(1, ROWS) AS n",
    )
    .await;
    let refunds = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'PENDING', NULL, NULL, NULL, 51",
        "'SUCCEEDED', NULL, NULL, NULL, 51",
        "NULL, '00000000-0000-0000-0000-000000000007', NULL, NULL, 51",
        "'PENDING', '00000000-0000-0000-0000-000000000007', NULL, NULL, 51",
    ];
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
        "true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL",
        "true, NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL, NULL",
        "true, NULL, NULL, 'PAID', NULL, NULL, NULL, NULL, 51, NULL, NULL",
        "true, NULL, NULL, 'PAID', NULL, NULL, NULL, NULL, 51, 'AWAITING_INTAKE', NULL",
        "true, NULL, NULL, NULL, '7@example.com', NULL, NULL, NULL, 51, NULL, NULL",
        "true, NULL, NULL, NULL, NULL, 'cs_7', NULL, NULL, 51, NULL, NULL",
        "true, NULL, NULL, NULL, NULL, 'cs_none', NULL, NULL, 51, NULL, NULL",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL",
        "false, 'sub-7', '7@example.com', 'CANCELLED', NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL, NULL",
        "true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL, 'sub-7'",
    ];
    let lists: [(&str, &[&str]); 3] =
        [("stripe_events", &events), ("orders", &orders), ("refunds", &refunds)];
    assert_read_little(&db, "services/billing", &lists).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most lines are rows and calls")]
async fn pages_of_notifications_read_few_rows() {
    let db = testing::connect(&testing::database::<Notifications>().await);
    fill(
        &db,
        "INSERT INTO messages
            (message_id, template, template_version, about, recipient_hash, class, category, requested_by, sender, subject,
             body_text, body_html, state,
             provider, provider_message_id, failure, doubt, create_time, send_time, delivery_outcome, delivery_outcome_time)
         SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'rare' ELSE 'welcome' END, 1, 'orders/' || n,
                sha256(convert_to((n % 400)::text, 'UTF8')), 'TRANSACTIONAL', 'ORDERS', '', '', '', '', '', state,
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
         INSERT INTO suppressions (suppression_id, recipient_hash, reason, create_time)
         SELECT gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), CASE WHEN n <= 100 THEN 'COMPLAINT' ELSE 'HARD_BOUNCE' END,
                TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO operator_notices
            (operator_notice_id, kind, severity, about, text, source, times, create_time, last_report_time, end_time)
         SELECT gen_random_uuid(), 'NEW_ORDER', 'INFO', n::text, '', '', 1, TIME, TIME, CASE WHEN n > 100 THEN TIME END
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, state, due_time, create_time)
         SELECT gen_random_uuid(), 'a.B', '', n::text, CASE WHEN n > ROWS - 100 THEN 'DEAD' ELSE 'WAITING' END, TIME, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO runtime.audit_entries (sequence, record_time, actor, action, ids, previous_hash, hash)
         SELECT n, TIME, 'actor-' || n % 400, CASE WHEN n <= 100 THEN 'order.rare' ELSE 'order.read' END, '{}', '', ''
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
    let suppressions = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "sha256('7'), NULL, NULL, NULL, 51",
        "NULL, 'COMPLAINT', NULL, NULL, 51",
        "NULL, 'STAFF', NULL, NULL, 51",
        "sha256('7'), 'HARD_BOUNCE', NULL, NULL, 51",
    ];
    let notices = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "true, NULL, NULL, 51",
        "false, NULL, NULL, 51",
    ];
    let lists: [(&str, &[&str]); 4] = [
        ("messages", &messages),
        ("provider_events", &events),
        ("suppressions", &suppressions),
        ("operator_notices", &notices),
    ];
    assert_read_little(&db, "services/notifications", &lists).await;
    let calls = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'WAITING', NULL, NULL, 51",
        "'DEAD', NULL, NULL, 51",
    ];
    let audit = [
        "NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, NULL, NULL, NULL, MIDDLE, 9, 51",
        "NULL, NULL, NULL, NULL, MIDDLE, NULL, NULL, 51",
        "NULL, 'order.rare', NULL, NULL, NULL, NULL, NULL, 51",
        "NULL, 'order.read', NULL, NULL, NULL, MIDDLE, 9, 51",
    ];
    assert_read_little(&db, "runtime", &[("runtime.work", &calls), ("runtime.audit_entries", &audit)]).await;
}

#[tokio::test]
async fn pages_of_support_read_few_rows() {
    let db = testing::connect(&testing::database::<Support>().await);
    fill(
        &db,
        "INSERT INTO articles (article_id, slug, origin, state, version, create_time, update_time)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'a-' || n, 'STAFF', CASE WHEN n <= 100 THEN 'UNPUBLISHED' ELSE 'PUBLISHED' END, 1, TIME,
                TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO article_versions (article_id, version, title, summary, tags, questions, body, content_hash, origin, create_time)
         SELECT article_id, 1, 'T', 'S', '{}', '{}', 'B', sha256('x'), 'STAFF', create_time FROM articles;
         INSERT INTO conversations
            (conversation_id, owner_sub, customer_email, customer_name, customer_verified, state, turn_count, message_count,
             create_time, update_time)
         SELECT gen_random_uuid(), 'sub-' || n % 400, n % 400 || '@example.com', '', true,
                CASE WHEN n <= 100 THEN 'WITH_PERSON' ELSE 'WITH_ASSISTANT' END, 0, 0, TIME, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO tickets
            (ticket_id, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin, assignee,
             open_since, first_reply_due_time, create_time, update_time, mail_token)
         SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', true, 'S', state,
                'STARTER', 'CUSTOMER', 'staff-' || n % 400, CASE WHEN state = 'OPEN' THEN TIME END, TIME, TIME, TIME, md5(n::text)
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'OPEN' WHEN n <= 200 THEN 'PENDING' ELSE 'CLOSED' END AS state) AS s;
         INSERT INTO leads
            (lead_id, kind, email, name, phone, company, message, details, source, score, marketing_consent, create_time)
         SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'KICKOFF' ELSE 'SALES' END, n % 400 || '@example.com', '', '', '', '',
                '', '', 0, false, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO complaints
            (complaint_id, ticket_id, category, acknowledge_due_time, answer_due_time, answer_time, create_time)
         SELECT gen_random_uuid(), (SELECT ticket_id FROM tickets LIMIT 1), 'OTHER', TIME, TIME, CASE WHEN n > 100 THEN TIME END,
                TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO incidents (incident_id, kind, state, title, report, components, start_time, create_time)
         SELECT gen_random_uuid(), 'INCIDENT', CASE WHEN n <= 100 THEN 'REPORTED' ELSE 'RESOLVED' END, '', '', '{}', TIME, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO canned_replies (canned_reply_id, name, text, create_time, update_time)
         SELECT gen_random_uuid(), n::text, '', TIME, TIME FROM generate_series(1, ROWS) AS n",
    )
    .await;
    let articles = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'UNPUBLISHED', NULL, NULL, 51",
        "'PUBLISHED', NULL, NULL, 51",
    ];
    let conversations = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'WITH_PERSON', NULL, NULL, NULL, 51",
        "NULL, '7@example.com', NULL, NULL, 51",
        "'WITH_ASSISTANT', '7@example.com', NULL, NULL, 51",
    ];
    let tickets = [
        "true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL",
        "true, NULL, NULL, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL",
        "true, NULL, NULL, 'OPEN', NULL, NULL, NULL, NULL, 51, NULL",
        "true, NULL, NULL, 'PENDING', NULL, NULL, NULL, NULL, 51, NULL",
        "true, NULL, NULL, NULL, '7@example.com', NULL, NULL, NULL, 51, NULL",
        "true, NULL, NULL, NULL, NULL, 'staff-7', NULL, NULL, 51, NULL",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, NULL",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL",
        "true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, 'zeppelin'",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, NULL, NULL, 51, 'zeppelin'",
    ];
    let by_kind = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'KICKOFF', NULL, NULL, 51",
    ];
    let open = [
        "false, NULL, NULL, 51",
        "false, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "true, NULL, NULL, 51",
    ];
    let by_state = [
        "NULL, NULL, NULL, 51",
        "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'REPORTED', NULL, NULL, 51",
    ];
    let canned = ["NULL, NULL, 51", "MIDDLE, '00000000-0000-0000-0000-000000000000', 51"];
    let lists: [(&str, &[&str]); 7] = [
        ("articles", &articles),
        ("canned_replies", &canned),
        ("conversations", &conversations),
        ("tickets", &tickets),
        ("leads", &by_kind),
        ("complaints", &open),
        ("incidents", &by_state),
    ];
    assert_read_little(&db, "services/support", &lists).await;
}

#[tokio::test]
async fn pages_of_compliance_read_few_rows() {
    let db = testing::connect(&testing::database::<Compliance>().await);
    fill(
        &db,
        "INSERT INTO data_requests
            (data_request_id, owner_sub, email, entitlement, origin, state, subject, create_time, due_time, finish_time)
         SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', 'ACCESS', 'ACCOUNT',
                state, '{}', TIME, TIME, CASE WHEN state = 'DONE' THEN TIME END
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'RECEIVED' ELSE 'DONE' END AS state) AS s;
         INSERT INTO privacy_complaints
            (privacy_complaint_id, owner_sub, email, text, origin, state, receive_time, acknowledge_due_time, acknowledge_time,
             answer_time, create_time)
         SELECT gen_random_uuid(), CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', 'ACCOUNT', state, TIME,
                TIME, CASE WHEN state = 'ANSWERED' THEN TIME END, CASE WHEN state = 'ANSWERED' THEN TIME END, TIME
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'RECEIVED' ELSE 'ANSWERED' END AS state) AS s;
         INSERT INTO placed_holds (hold_id, kind, state, matter, create_time, change_time, release_time)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'LEGAL_HOLD', state, 'matter-' || n % 400, TIME, TIME,
                CASE WHEN state = 'RELEASED' THEN TIME END
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'PLACING' ELSE 'RELEASED' END AS state) AS s;
         INSERT INTO runtime.holds (hold_row_id, hold_id, kind, email, stands, change_time)
         SELECT gen_random_uuid(), hold_id, kind, row_number() OVER () % 400 || '@example.com', false, change_time FROM placed_holds;
         INSERT INTO retention_reports (retention_report_id, service, state, outcomes, create_time)
         SELECT gen_random_uuid(), 'billing', CASE WHEN n <= 100 THEN 'UNANSWERED' ELSE 'COMPLETE' END, '[]', TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO declarations
            (declaration_id, kind, scope, given, owner_sub, email, version, text_sha256, source, by_signal, declare_time)
         SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'OBJECTION' ELSE 'CONSENT' END, 'ANALYTICS', true,
                CASE WHEN n > 5 THEN 'sub-' || n % 400 END, n % 400 || '@example.com', '', '', '', false, TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO legal_documents
            (legal_document_id, kind, version, changes, body, text_sha256, acceptance_required, effective_time, publish_time)
         SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'COOKIES' ELSE 'TERMS' END, n::text, '{}', '', repeat('0', 64), false, TIME,
                TIME
         FROM generate_series(1, ROWS) AS n;
         INSERT INTO breaches
            (breach_id, state, description, data_kinds, people_count, consequences, measures, aware_time, due_time, exempt_time,
             exempt_reasons, close_time, create_time)
         SELECT gen_random_uuid(), state, '', '{}', 0, '', '', TIME, TIME, TIME, '', CASE WHEN state = 'CLOSED' THEN TIME END, TIME
         FROM generate_series(1, ROWS) AS n,
              LATERAL (SELECT CASE WHEN n <= 100 THEN 'OPEN' ELSE 'CLOSED' END AS state) AS s",
    )
    .await;
    let owned = [
        "true, NULL, NULL, NULL, NULL, NULL, 51, NULL",
        "true, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL",
        "true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, NULL",
        "true, NULL, NULL, NULL, NULL, NULL, 51, '7@example.com'",
        "true, NULL, NULL, 'RECEIVED', NULL, NULL, 51, '7@example.com'",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, 51, NULL",
        "false, 'sub-7', '7@example.com', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, NULL",
    ];
    let holds = [
        "'LEGAL_HOLD', NULL, '', NULL, NULL, NULL, 51",
        "'LEGAL_HOLD', NULL, '', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51",
        "'RESTRICTION', NULL, '', NULL, NULL, NULL, 51",
        "'LEGAL_HOLD', 'PLACING', '', NULL, NULL, NULL, 51",
        "'LEGAL_HOLD', NULL, 'matter-7', NULL, NULL, NULL, 51",
        "'LEGAL_HOLD', NULL, '', '7@example.com', NULL, NULL, 51",
        "'LEGAL_HOLD', NULL, '', 'none@example.com', NULL, NULL, 51",
    ];
    let declarations = [
        "true, NULL, NULL, NULL, NULL, NULL, 51, 'CONSENT'",
        "true, NULL, NULL, NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, 'CONSENT'",
        "true, NULL, NULL, NULL, NULL, NULL, 51, 'OBJECTION'",
        "true, NULL, NULL, '7@example.com', NULL, NULL, 51, 'CONSENT'",
        "false, 'sub-7', '7@example.com', NULL, NULL, NULL, 51, 'CONSENT'",
        "false, 'sub-7', '7@example.com', NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51, 'CONSENT'",
    ];
    let (all, later) = ("NULL, NULL, NULL, 51", "NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51");
    let lists: [(&str, &[&str]); 7] = [
        ("data_requests", &owned),
        ("privacy_complaints", &owned),
        ("placed_holds", &holds),
        ("retention_reports", &[all, later, "'UNANSWERED', NULL, NULL, 51"]),
        ("declarations", &declarations),
        ("legal_documents", &[all, later, "'COOKIES', NULL, NULL, 51"]),
        ("breaches", &[all, later, "'OPEN', NULL, NULL, 51"]),
    ];
    assert_read_little(&db, "services/compliance", &lists).await;
}
