//! A claim is committed, and its answer is lost with the connection: what it took is claimed again at once, and not when a
//! lease has ended that nobody uses.

use std::time::{Duration, Instant};

use levqor_runtime::{
    db::{Conn, Db},
    testing::eventually,
};
use sqlx::AssertSqlSafe;

use super::{
    network,
    processes::{Mesh, Wires},
    proxy::{Line, Proxy},
};

/// How long it may take until all is done, once PostgreSQL is there again; a lease is 45 s.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A table that claims are written to, whose it is, and the line to it.
type Place = (&'static str, fn(&Mesh) -> &Db, fn(&Wires) -> &Proxy);

const PLACES: [Place; 3] = [
    ("runtime.leases", Mesh::billing, |wires| &wires.billing_database),
    ("runtime.work", Mesh::billing, |wires| &wires.billing_database),
    ("runtime.work", Mesh::notifications, |wires| &wires.notifications_database),
];

/// Makes claims wait for this test before they are committed.
struct Barrier<'d> {
    db: &'d Db,
    table: &'static str,
    held: Conn,
}

impl<'d> Barrier<'d> {
    async fn raise(db: &'d Db, table: &'static str) -> Self {
        let mut held = db.acquire().await.expect("a connection");
        let wait = format!(
            "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
             CREATE TRIGGER wait AFTER INSERT OR UPDATE ON {table}
                 FOR EACH ROW WHEN (NEW.leased_until > runtime.now()) EXECUTE FUNCTION wait();
             SELECT pg_advisory_lock(1)"
        );
        sqlx::raw_sql(AssertSqlSafe(wait)).execute(&mut *held).await.expect("a barrier");
        Self { db, table, held }
    }

    async fn remove(mut self) {
        let remove = AssertSqlSafe(format!("DROP TRIGGER wait ON {}", self.table));
        sqlx::raw_sql(remove).execute(&mut *self.held).await.expect("removed");
    }

    /// Waits until a claim waits.
    async fn reached(&self) {
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                       WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
        self.until(waiting.to_owned(), |count| count > 0).await;
    }

    /// Lets them be committed; one is, when this returns.
    async fn lower(&mut self) {
        sqlx::raw_sql("SELECT pg_advisory_unlock(1)").execute(&mut *self.held).await.expect("lowered");
        let claimed = format!("SELECT count(*) FROM {} WHERE leased_until > runtime.now()", self.table);
        self.until(claimed, |count| count > 0).await;
    }

    /// Waits until PostgreSQL has no connection left but those of the test.
    async fn alone(&self) {
        let others = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND application_name <> 'levqor-test'";
        self.until(others.to_owned(), |count| count == 0).await;
    }

    /// Waits until what the query counts is so.
    async fn until(&self, query: String, is_so: impl Fn(i64) -> bool) {
        eventually(&query, || async {
            let count = sqlx::query_scalar(AssertSqlSafe(query.clone()));
            is_so(count.fetch_one(self.db.pool()).await.expect("a count")).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_claim_took_whose_answer_was_lost_is_claimed_again_at_once() {
    let (mesh, mut shop, post) = network::start().await;
    for (table, db, wire) in PLACES {
        let wire = wire(mesh.wires.as_ref().expect("wires"));
        let mut barrier = Barrier::raise(db(&mesh), table).await;
        shop.sell();
        barrier.reached().await;
        // The answer to the claim will not come through.
        wire.set(Line::Stalled);
        barrier.lower().await;
        wire.set(Line::Cut);
        barrier.alone().await;
        wire.set(Line::Whole);
        let cut = Instant::now();
        shop.close();
        shop.all_taken().await;
        mesh.done().await;
        println!("an answer to a claim in {table} was lost: {:.1?}", cut.elapsed());
        assert!(cut.elapsed() < AT_ONCE, "{table}: {:?}", cut.elapsed());
        barrier.remove().await;
    }
    network::settles(&mesh, &mut shop, &post).await;
}
