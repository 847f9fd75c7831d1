//! The audit chain: whole under concurrency, append-only, and broken to see when somebody tampers.

use levqor_runtime::{
    audit::{self, Chain},
    context::Actor,
    testing::spawn,
};

use crate::probe;

#[tokio::test]
async fn the_chain_is_whole_whoever_appends_at_once_and_shows_tampering() {
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
    // Whoever can drop the guard still cannot hide.
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
async fn a_chain_whose_last_entry_was_cut_off_is_broken() {
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
    .expect("cut off");
    let mut conn = service.db.acquire().await.expect("connection");
    assert_eq!(audit::verify(&mut conn).await.expect("verified"), Chain::Broken { sequence: 3 });
    drop(conn);
    service.stop().await;
}
