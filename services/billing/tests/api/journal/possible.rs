//! The database refuses contradictory rows of the journal, from any writer.

use levqor_runtime::db::DbError;

use crate::support::Bench;

const POSSIBLE: &[(&str, &str, &str)] = &[
    ("PENDING", "NULL", "NULL"),
    ("PROCESSED", "runtime.now()", "NULL"),
    ("IGNORED", "runtime.now()", "NULL"),
    ("QUARANTINED", "NULL", "'no amount'"),
];
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    ("PENDING", "runtime.now()", "NULL"),
    ("PROCESSED", "NULL", "NULL"),
    ("IGNORED", "NULL", "'no amount'"),
    ("QUARANTINED", "NULL", "NULL"),
    ("QUARANTINED", "runtime.now()", "'no amount'"),
    ("DONE", "runtime.now()", "NULL"),
    ("", "NULL", "NULL"),
];

impl Bench {
    async fn write(&self, statement: &str) -> Result<u64, DbError> {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        Ok(sqlx::query(statement).execute(self.service.db.pool()).await?.rows_affected())
    }

    async fn is_refused(&self, statement: &str) {
        let refused = self.write(statement).await;
        let Err(DbError::Constraint { name, .. }) = refused else { panic!("{statement}: {refused:?}") };
        assert_eq!(name, "stripe_events_possible", "{statement}");
    }
}

fn insert(event_id: &str, state: &str, process_time: &str, failure: &str) -> String {
    format!(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, state, process_time, failure)
         VALUES ('{event_id}', runtime.now(), 'a.b', false, 'k', '{state}', {process_time}, {failure})"
    )
}

fn update(state: &str, process_time: &str, failure: &str) -> String {
    format!(
        "UPDATE stripe_events SET state = '{state}', process_time = {process_time}, failure = {failure}
         WHERE event_id = 'evt_PROCESSED'"
    )
}

#[tokio::test]
async fn a_state_that_cannot_be_is_refused_by_the_database() {
    let bench = Bench::start().await;
    for &(state, process_time, failure) in POSSIBLE {
        let event_id = format!("evt_{state}");
        bench.write(&insert(&event_id, state, process_time, failure)).await.expect("stored");
        bench.write(&update(state, process_time, failure)).await.expect("changed");
    }
    for &(state, process_time, failure) in IMPOSSIBLE {
        bench.is_refused(&update(state, process_time, failure)).await;
    }
    for count in ["attempts", "replays"] {
        bench
            .is_refused(&format!("UPDATE stripe_events SET {count} = -1 WHERE event_id = 'evt_PENDING'"))
            .await;
    }
}
