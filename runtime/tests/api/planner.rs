//! Only transactions that claim or settle work restrict PostgreSQL's planner, and only until they end.

use levqor_runtime::testing;
use sqlx::PgConnection;

use crate::probe::Probe;

async fn reads_whole_tables(conn: &mut PgConnection) -> bool {
    let setting: String = sqlx::query_scalar("SELECT current_setting('enable_seqscan')")
        .fetch_one(conn)
        .await
        .expect("a setting");
    setting == "on"
}

#[tokio::test]
async fn the_planner_is_restricted_for_work_only() {
    let db = testing::connect(&testing::database::<Probe>().await);
    let mut work = db.begin_work().await.expect("a transaction");
    assert!(!reads_whole_tables(&mut work).await, "work finds its rows by an index");
    work.commit().await.expect("committed");
    // All connections of the pool, including that one.
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = db.begin().await.expect("a transaction");
        assert!(reads_whole_tables(&mut other).await, "the planner is free again");
        others.push(other);
    }
}
