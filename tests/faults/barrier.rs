//! A barrier in PostgreSQL holds a commit until the test lets it through. So a test can lose the answer to a commit that took
//! place.

use levqor_runtime::{
    db::{Conn, Db},
    testing::eventually,
};
use sqlx::AssertSqlSafe;

use super::proxy::{Line, Proxy};

/// Holds the commits of rows of a table.
pub(crate) struct Barrier<'d> {
    db: &'d Db,
    table: &'static str,
    /// The condition on the new row, in SQL.
    rows: &'static str,
    held: Conn,
}

impl<'d> Barrier<'d> {
    /// Holds all commits of rows for which the condition `rows` is true.
    pub(crate) async fn raise(db: &'d Db, table: &'static str, rows: &'static str) -> Self {
        let mut held = db.acquire().await.expect("a connection");
        let wait = format!(
            "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW WHEN (NEW.{rows}) EXECUTE FUNCTION wait();
             SELECT pg_advisory_lock(1)"
        );
        sqlx::raw_sql(AssertSqlSafe(wait)).execute(&mut *held).await.expect("a barrier");
        Self { db, table, rows, held }
    }

    /// Waits for a commit at the barrier, lets it through, and cuts the line before its answer arrives.
    pub(crate) async fn lose_the_answer(&mut self, line: &Proxy) {
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                       WHERE locktype = 'advisory' AND classid = 0 AND objid = 1 AND NOT granted
                         AND datname = current_database()";
        self.until(waiting.to_owned(), |count| count > 0).await;
        line.set(Line::Stalled);
        sqlx::raw_sql("SELECT pg_advisory_unlock(1)").execute(&mut *self.held).await.expect("lowered");
        let committed = format!("SELECT count(*) FROM {} WHERE {}", self.table, self.rows);
        self.until(committed, |count| count > 0).await;
        line.set(Line::Cut);
        let others = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND application_name <> 'levqor-test'";
        self.until(others.to_owned(), |count| count == 0).await;
    }

    /// Removes the barrier. It has let everything through since the first commit.
    pub(crate) async fn remove(mut self) {
        let remove = AssertSqlSafe(format!("DROP TRIGGER wait ON {}", self.table));
        sqlx::raw_sql(remove).execute(&mut *self.held).await.expect("removed");
    }

    /// Waits until the result of the query fulfils the condition.
    async fn until(&self, query: String, is_so: impl Fn(i64) -> bool) {
        eventually(&query, || async {
            let count = sqlx::query_scalar(AssertSqlSafe(query.clone()));
            is_so(count.fetch_one(self.db.pool()).await.expect("a count")).then_some(())
        })
        .await;
    }
}
