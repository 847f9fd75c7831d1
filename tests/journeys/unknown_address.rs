//! Anybody may ask for a copy or an erasure for any mail address. The answer says nothing about whether we know the address, neither by
//! its content nor by its time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use levqor_runtime::{
    db::{Conn, Db},
    testing::{self, eventually},
};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::{
    canaries::{Person, seed},
    harness::{Answer, Mesh},
};

/// How many requests are measured for known addresses, for unknown ones, and for those that a request of the day was made for.
const TRIES: usize = 200;
/// How much the medians may differ.
const MAX: Duration = Duration::from_millis(2);

/// Makes all tables of a database unreadable, except these and the chassis' own. It ends with `ROLLBACK`.
async fn lock(db: &Db, but: &[&str]) -> Conn {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
         WHERE (schemaname = 'public' AND tablename::text <> ALL ($1))
            OR (schemaname, tablename) IN (('runtime', 'objections'), ('runtime', 'audit_actors'))",
    )
    .bind(but.iter().map(|table| (*table).to_owned()).collect::<Vec<_>>())
    .fetch_all(db.pool())
    .await
    .expect("tables");
    let lock = format!("BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    // Work of the service locks the tables in another order. PostgreSQL ends a deadlock by a failure of one of both.
    eventually("the tables are locked", || async {
        let mut held = db.acquire().await.expect("a connection");
        let locked = sqlx::raw_sql(AssertSqlSafe(lock.clone())).execute(&mut *held).await;
        if locked.is_err() {
            sqlx::raw_sql("ROLLBACK").execute(&mut *held).await.expect("rolled back");
            return None;
        }
        Some(held)
    })
    .await
}

/// An answer without the id of the request, which is new each time.
fn without_id(answer: &Answer) -> (u16, String) {
    let begin = "name=\"data_request_id\" value=\"";
    let id = match answer.str("/data_request_id") {
        "" => answer.text.split(begin).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default(),
        id => id,
    };
    assert_eq!(id.len(), 36, "an id: {}", answer.text);
    (answer.status, answer.text.replace(id, "ID"))
}

#[tokio::test]
async fn the_answer_is_made_before_anything_is_looked_up_and_is_the_same_for_every_address() {
    let mesh = Mesh::start().await;
    let known = Person::numbered(1);
    seed(mesh.databases(), Path::new(mesh.files()), &known).await;
    mesh.settle().await;
    // Callers cannot find out whose address is known: only the tables that the request itself is written to can be read.
    let mut held = Vec::new();
    for db in mesh.databases() {
        held.push(lock(db, &["data_requests", "data_request_codes"]).await);
    }
    let mut answers = Vec::new();
    for email in [known.email.as_str(), "nobody@example.com"] {
        let body = json!({"email": email, "right": "RIGHT_ERASURE"});
        answers.push(without_id(&mesh.anon().post("/v1/data-requests:mail", body).await));
    }
    for fields in ["right=RIGHT_ACCESS", "right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_ALL"] {
        for email in [known.email.as_str(), "nobody@example.com"] {
            let form = format!("email={}&{fields}", email.replace('@', "%40"));
            answers.push(without_id(&mesh.anon().form("/privacy", &form).await));
        }
    }
    for mut conn in held {
        sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await.expect("unlocked");
    }
    for pair in answers.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    // A call that waited for a lock may have been given up meanwhile.
    mesh.settle().await;
    mesh.take_errors();
    mesh.finish().await;
}

/// Makes addresses known to every service: `known0@example.com` and so on.
async fn make_known(mesh: &Mesh) {
    let of = |insert: &str| format!("{insert} FROM generate_series(0, {}) AS n", TRIES - 1);
    let customers = "INSERT INTO customers (customer_id, owner_sub, email, create_time, update_time)
                     SELECT gen_random_uuid(), 'known' || n, 'known' || n || '@example.com', runtime.now(), runtime.now()";
    testing::execute(mesh.billing_db(), &of(customers)).await;
    let subscriptions =
        "INSERT INTO newsletter_subscriptions (newsletter_subscription_id, recipient_hash, recipient, categories, source,
                                               shown_text, create_time, expire_time)
         SELECT gen_random_uuid(), decode(md5(n::text) || md5('b' || n), 'hex'), 'known' || n || '@example.com', '{A}', 'x',
                'x', runtime.now(), runtime.now() + interval '1 day'";
    testing::execute(mesh.notifications_db(), &of(subscriptions)).await;
    let subscribers = "INSERT INTO status_subscribers (subscriber_id, email, token, ask_count, ask_time, create_time)
                       SELECT gen_random_uuid(), 'known' || n || '@example.com', 'token' || n, 1, runtime.now(), runtime.now()";
    testing::execute(mesh.support_db(), &of(subscribers)).await;
    let requests =
        "INSERT INTO data_requests (data_request_id, owner_sub, email, entitlement, origin, state, subject, create_time,
                                    due_time, finish_time)
         SELECT gen_random_uuid(), 'known' || n, 'known' || n || '@example.com', 'ACCESS', 'ACCOUNT', 'DONE', '{}',
                runtime.now() - interval '3 days', runtime.now(), runtime.now()";
    testing::execute(mesh.compliance_db(), &of(requests)).await;
}

/// How long the answer to a request for this address takes.
async fn time(mesh: &Mesh, email: &str) -> Duration {
    let body = json!({"email": email, "right": "RIGHT_ACCESS"});
    let begun = Instant::now();
    let answer = mesh.anon().post("/v1/data-requests:mail", body).await;
    let took = begun.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.text);
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "measures time, which needs a quiet machine: cargo test --release --test mesh unknown_address -- --ignored"]
async fn the_answer_takes_as_long_for_every_address() {
    let mesh = Mesh::start().await;
    make_known(&mesh).await;
    let mut times: [Vec<Duration>; 3] = Default::default();
    for n in 0..TRIES {
        let emails = ["known", "stranger", "second"].map(|name| format!("{name}{n}@example.com"));
        // The first request of a day for an address sends a code, the second one none.
        time(&mesh, &emails[2]).await;
        // The first of them may find the machine in another state than the others: they take turns.
        for turn in 0..emails.len() {
            let at = (n + turn) % emails.len();
            times[at].push(time(&mesh, &emails[at]).await);
        }
        mesh.settle().await;
    }
    let [known, unknown, second] = times.map(median);
    let least = known.min(unknown).min(second);
    let differs = known.max(unknown).max(second).saturating_sub(least);
    assert!(differs < MAX, "known: {known:?}, unknown: {unknown:?}, second of the day: {second:?}");
    mesh.finish().await;
}
