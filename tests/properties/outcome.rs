//! The outcome of a case: every row that belongs to it, and every mail that the provider has. Each id is replaced by the name of the
//! thing that it identifies, and the times of our own clock are left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    Stage,
    case::{Case, Form},
};
use crate::fakes::{
    mail::{Accept, FakeMail},
    stripe::Stripe,
};

const ORDERS: &str = "SELECT to_jsonb(o) - '{create_time,update_time}'::text[] FROM orders o
     WHERE stripe_checkout_session_id = ANY ($1)";
const SUBSCRIPTIONS: &str =
    "SELECT to_jsonb(s) - '{create_time,update_time,version}'::text[] FROM subscriptions s
     WHERE stripe_subscription_id = ANY ($1)";
const REFUNDS: &str = "SELECT to_jsonb(r) - '{create_time,update_time}'::text[] FROM refunds r
     WHERE stripe_refund_id = ANY ($1)";
const DISPUTES: &str = "SELECT to_jsonb(d) - '{create_time,update_time}'::text[] FROM disputes d
     WHERE stripe_dispute_id = ANY ($1)";
const HISTORY: &str = "SELECT to_jsonb(h) - '{create_time,number}'::text[] FROM order_events h
     WHERE order_id::text = ANY ($1)";
const EVENTS: &str =
    "SELECT to_jsonb(e) - '{sequence,receive_time,due_time,attempts,trace_parent,body,process_time}'::text[]
         || jsonb_build_object('done', process_time IS NOT NULL)
     FROM stripe_events e WHERE event_id = ANY ($1)";
const AUDIT: &str =
    "SELECT jsonb_build_object('actor', actor, 'action', action, 'about', about)
     FROM runtime.audit_entries,
          LATERAL (SELECT coalesce(ids ->> 'order_id', ids ->> 'subscription_id', ids ->> 'stripe_dispute_id')) AS i (about)
     WHERE action <> 'personal_data.read' AND about = ANY ($1)";
const MESSAGES: &str = "SELECT to_jsonb(m) - '{create_time,send_time,recipient_hash,attempts}'::text[]
     FROM messages m WHERE split_part(about, ':', 2) = ANY ($1)";
const CALLS: &str = "SELECT jsonb_build_object('caller', caller, 'rpc', rpc, 'key', idempotency_key)
     FROM runtime.idempotency_records WHERE substring(idempotency_key FROM '[^:]*$') = ANY ($1)";

async fn rows(pool: &PgPool, query: &'static str, ids: &[String]) -> Vec<Value> {
    sqlx::query_scalar(query).bind(ids).fetch_all(pool).await.expect("rows")
}

/// A text of a row.
fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

/// Rows of one table, and the field that says whose each is.
struct Table {
    name: &'static str,
    key: &'static str,
    /// The field of the rows' own id, where other rows are keyed by it.
    id: Option<&'static str>,
    rows: Vec<Value>,
}

/// The outcome of each case.
pub(super) async fn outcomes(stage: &Stage, cases: &[Case]) -> Vec<Value> {
    let stripe = &stage.stripe;
    let mut names: Vec<_> = cases.iter().map(|case| Names::of(case, stripe)).collect();
    let tables = tables(stage, cases).await;
    let mut owners = BTreeMap::new();
    for (n, case) in cases.iter().enumerate() {
        owners.extend(case.cast.objects.iter().cloned().chain(case.event_ids(stripe)).map(|id| (id, n)));
    }
    let mut outcomes = vec![BTreeMap::<_, Vec<Value>>::new(); cases.len()];
    for Table { name, key, id, rows } in &tables {
        for outcome in &mut outcomes {
            outcome.insert(*name, Vec::new());
        }
        for row in rows {
            // `order:…`, `deliver:…`: a row that is keyed by another row's id follows from that row.
            let from = text(row, key).rsplit(':').next().unwrap_or_default();
            let Some(owner) = owners.get(from).copied() else { panic!("{name}: nobody's {row}") };
            if let Some(id) = id.and_then(|field| row[field].as_str()) {
                let what = row["template"].as_str().unwrap_or(name);
                names[owner].follow(id, from, what);
                owners.insert(id.to_owned(), owner);
            }
            outcomes[owner].entry(name).or_default().push(names[owner].rename(row));
        }
    }
    outcomes.iter_mut().flat_map(BTreeMap::values_mut).for_each(|rows| rows.sort_by_key(Value::to_string));
    for (case, outcome) in cases.iter().zip(&mut outcomes) {
        // Other forms of an event have other rows in the journal.
        if case.form != Form::Snapshot {
            outcome.remove("events");
        }
    }
    outcomes.into_iter().map(|outcome| json!(outcome)).collect()
}

/// All rows of these cases; rows that others depend on come first.
async fn tables(Stage { mesh, stripe, post, .. }: &Stage, cases: &[Case]) -> Vec<Table> {
    let (billing, notifications) = (mesh.billing_db().pool(), mesh.notifications_db().pool());
    let sessions: Vec<_> = cases.iter().flat_map(|case| case.cast.sessions.clone()).collect();
    let event_ids: Vec<_> = cases.iter().flat_map(|case| case.event_ids(stripe)).collect();
    let objects: Vec<_> = cases.iter().flat_map(|case| case.cast.objects.clone()).collect();
    let orders = rows(billing, ORDERS, &sessions).await;
    let subscriptions = rows(billing, SUBSCRIPTIONS, &objects).await;
    let refunds = rows(billing, REFUNDS, &objects).await;
    let disputes = rows(billing, DISPUTES, &objects).await;
    let ids = |rows: &[Value], field| rows.iter().map(|row| text(row, field).to_owned()).collect::<Vec<_>>();
    let ours = [ids(&orders, "order_id"), ids(&subscriptions, "subscription_id")].concat();
    let all = [ours.clone(), objects].concat();
    let mut messages = rows(notifications, MESSAGES, &all).await;
    add_mails(&mut messages, post);
    let message_ids = ids(&messages, "message_id");
    let history = rows(billing, HISTORY, &ours).await;
    let events = rows(billing, EVENTS, &event_ids).await;
    let audit = rows(billing, AUDIT, &all).await;
    let calls = rows(notifications, CALLS, &[all, message_ids, event_ids].concat()).await;
    let table = |name, key, id, rows| Table { name, key, id, rows };
    vec![
        table("events", "event_id", None, events),
        table("orders", "stripe_checkout_session_id", Some("order_id"), orders),
        table("subscriptions", "stripe_subscription_id", Some("subscription_id"), subscriptions),
        table("refunds", "stripe_refund_id", Some("refund_id"), refunds),
        table("disputes", "stripe_dispute_id", None, disputes),
        table("history", "order_id", None, history),
        table("messages", "about", Some("message_id"), messages),
        table("audit", "about", None, audit),
        table("calls", "key", None, calls),
    ]
}

/// Adds to each message the mails that the provider has under its key, and whether the message names the mail.
fn add_mails(messages: &mut [Value], post: &FakeMail) {
    let mut accepted = BTreeMap::<_, Vec<_>>::new();
    for mail in post.accepted() {
        accepted.entry(mail.key.clone().unwrap_or_default()).or_default().push(mail);
    }
    for message in messages {
        let mails = accepted.remove(text(message, "message_id")).unwrap_or_default();
        let named = message["provider_message_id"].take();
        message["names_its_mail"] = json!(mails.iter().any(|mail| named == mail.id.as_str()));
        let parts = |Accept { from, to, subject, text, html, .. }| json!([from, to, subject, text, html]);
        message["mails"] = mails.into_iter().map(parts).collect();
    }
}

/// Names for the objects of the case's ids: the same in each case of a lifecycle.
struct Names(Vec<(String, String)>);

impl Names {
    /// Names of what Stripe made, by its place in the case.
    fn of(case: &Case, stripe: &Stripe) -> Self {
        let ids = case.cast.objects.iter().cloned().chain(case.event_ids(stripe));
        let name = |(n, id): (usize, String)| {
            let kind = id.rsplit_once('_').map_or("", |(kind, _)| kind).to_owned();
            (id, format!("<{kind} {n}>"))
        };
        let token = (case.cast.token.clone(), "<buyer>".to_owned());
        let version = (case.version.to_owned(), "<version>".to_owned());
        Self(ids.enumerate().map(name).chain([token, version]).collect())
    }

    /// Names what follows from something of the case.
    fn follow(&mut self, id: &str, from: &str, what: &str) {
        let known = self.0.iter().find(|(known, _)| known == from);
        let name = known.map_or_else(String::new, |(_, name)| format!("<{what} of {name}>"));
        self.0.push((id.to_owned(), name));
    }

    /// The row with names instead of ids.
    fn rename(&self, row: &Value) -> Value {
        let text = without_tokens(&row.to_string());
        let named = self.0.iter().fold(text, |text, (id, name)| {
            if text.contains(id.as_str()) { text.replace(id.as_str(), name) } else { text }
        });
        serde_json::from_str(&named).expect("still JSON")
    }
}

/// The text without the tokens of links in mails, which are random.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split("?link=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "?link=" + part.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
    })
}
