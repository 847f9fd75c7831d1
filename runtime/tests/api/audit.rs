//! The audit chain stays whole under concurrency and is append-only. Verification finds every change to it.

use levqor_runtime::{
    audit::{self, Chain},
    context::{Actor, Role, User},
    testing::spawn,
};
use sqlx::AssertSqlSafe;

use crate::probe;

#[tokio::test]
async fn concurrent_appends_leave_the_chain_whole_and_verification_finds_tampering() {
    let service = probe::start().await;
    let appends = (0..20).map(|n| {
        let db = service.running.chassis().db.clone();
        spawn(async move {
            let mut tx = db.begin().await.expect("begin");
            let id = n.to_string();
            let ids = [("order_id", id.as_str()), ("a", "b")];
            audit::append(&mut tx, &Actor::Service("billing".to_owned()), "order.paid", &ids)
                .await
                .expect("append");
            tx.commit().await.expect("commit");
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.expect("no panic");
    }
    let mut conn = service.db.acquire().await.expect("connection");
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Whole { entries: 20 });

    let change = "UPDATE runtime.audit_entries SET actor = 'user:mallory' WHERE sequence = 7";
    sqlx::query(change).execute(&mut *conn).await.expect_err("entries are append-only");
    // Verification finds a change even if the trigger was disabled.
    sqlx::raw_sql("ALTER TABLE runtime.audit_entries DISABLE TRIGGER audit_entries_append_only")
        .execute(&mut *conn)
        .await
        .expect("disabled");
    sqlx::query(change).execute(&mut *conn).await.expect("tampered");
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Broken { sequence: 7 });
    drop(conn);
    service.stop().await;
}

#[tokio::test]
async fn a_chain_without_its_last_entry_is_broken() {
    let service = probe::start().await;
    for _ in 0..3 {
        let mut tx = service.running.chassis().db.begin().await.expect("begin");
        audit::append(&mut tx, &Actor::Anonymous, "x.y", &[]).await.expect("append");
        tx.commit().await.expect("commit");
    }
    sqlx::raw_sql(
        "ALTER TABLE runtime.audit_entries DISABLE TRIGGER audit_entries_append_only;
         DELETE FROM runtime.audit_entries WHERE sequence = 3",
    )
    .execute(service.db.pool())
    .await
    .expect("deleted");
    let mut conn = service.db.acquire().await.expect("connection");
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Broken { sequence: 3 });
    drop(conn);
    service.stop().await;
}

#[tokio::test]
async fn after_the_erasure_of_a_person_the_chain_is_whole_and_does_not_name_the_person() {
    let service = probe::start().await;
    let user = |sub: &str| {
        Actor::User(User { sub: sub.to_owned(), email: None, email_verified: false, role: Role::Staff })
    };
    for sub in ["alice", "bob", "alice"] {
        let mut tx = service.running.chassis().db.begin().await.expect("begin");
        audit::append(&mut tx, &user(sub), "order.release", &[("order_id", "1")]).await.expect("append");
        tx.commit().await.expect("commit");
    }
    // An RPC that shows entries would use such a query.
    let sql = "SELECT actor, sub FROM runtime.audit_entries
               LEFT JOIN runtime.audit_actors ON pseudonym = actor ORDER BY sequence";
    let entries = async || -> Vec<(String, Option<String>)> {
        sqlx::query_as(sql).fetch_all(service.db.pool()).await.expect("entries")
    };
    let subs = |entries: &[(String, Option<String>)]| {
        entries.iter().map(|(_, sub)| sub.clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    let before = entries().await;
    assert_eq!(subs(&before), ["alice", "bob", "alice"]);
    assert!(before.iter().all(|(actor, _)| actor.starts_with("staff:") && !actor.contains("alice")));
    assert_eq!((before[0].0 == before[2].0, before[0].0 == before[1].0), (true, false));

    let mut conn = service.db.acquire().await.expect("connection");
    assert_eq!(audit::forget(&mut conn, "alice").await.expect("forgotten"), 1);
    let after = entries().await;
    assert_eq!(subs(&after), ["", "bob", ""]);
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Whole { entries: 3 });
    drop(conn);
    service.stop().await;
}

#[tokio::test]
async fn a_change_of_any_column_of_any_entry_is_found() {
    let service = probe::start().await;
    for id in ["1", "2", "3"] {
        let mut tx = service.running.chassis().db.begin().await.expect("begin");
        audit::append(&mut tx, &Actor::Anonymous, "x.y", &[("order_id", id)]).await.expect("append");
        tx.commit().await.expect("commit");
    }
    let mut conn = service.db.acquire().await.expect("connection");
    sqlx::raw_sql(
        "ALTER TABLE runtime.audit_entries DISABLE TRIGGER audit_entries_append_only;
         CREATE TEMP TABLE kept AS TABLE runtime.audit_entries",
    )
    .execute(&mut *conn)
    .await
    .expect("kept");
    for (column, changed) in [
        ("record_time", "record_time + interval '1 microsecond'"),
        ("actor", "actor || 'x'"),
        ("action", "action || 'x'"),
        ("ids", r#"ids || '{"order_id": "4"}'"#),
        ("ids", r#"ids || '{"ticket_id": "1"}'"#),
        ("previous_hash", r"previous_hash || '\x00'"),
        ("hash", "set_byte(hash, 31, get_byte(hash, 31) # 1)"),
    ] {
        for sequence in 1..=3 {
            let change =
                format!("UPDATE runtime.audit_entries SET {column} = {changed} WHERE sequence = {sequence}");
            sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut *conn).await.expect("changed");
            let found = audit::verify(&mut conn).await.expect("verified");
            assert_eq!(found, Chain::Broken { sequence }, "{column} = {changed}");
            let back = format!(
                "UPDATE runtime.audit_entries AS entry SET {column} = kept.{column} FROM kept
                 WHERE kept.sequence = entry.sequence"
            );
            sqlx::raw_sql(AssertSqlSafe(back)).execute(&mut *conn).await.expect("changed back");
        }
    }
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Whole { entries: 3 });
    drop(conn);
    service.stop().await;
}
