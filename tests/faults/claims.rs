//! A claim is committed, and the connection breaks before PostgreSQL's answer. The claimed work must be claimed again at once,
//! and not only after the unused lease has expired.

use std::time::{Duration, Instant};

use levqor_runtime::db::Db;

use super::{
    barrier::Barrier,
    network,
    processes::{Mesh, Wires},
    proxy::{Line, Proxy},
};

/// How long it may take until all work is done, after PostgreSQL answers again: less than the remaining time of the lease. A lease lasts
/// 45 s, and the outage takes some of it. Calls that failed meanwhile wait for their next attempt.
const AT_ONCE: Duration = Duration::from_secs(30);

/// A table that claims are written to, the service that owns it, and the line to its database.
type ClaimTable = (&'static str, fn(&Mesh) -> &Db, fn(&Wires) -> &Proxy);

const CLAIM_TABLES: [ClaimTable; 3] = [
    ("runtime.leases", Mesh::billing, |wires| &wires.billing_database),
    ("runtime.work", Mesh::billing, |wires| &wires.billing_database),
    ("runtime.work", Mesh::notifications, |wires| &wires.notifications_database),
];

#[tokio::test]
async fn rows_of_a_claim_whose_answer_was_lost_are_claimed_again_at_once() {
    let (mesh, mut shop, post) = network::start(true).await;
    for (table, db, line) in CLAIM_TABLES {
        let line = line(mesh.wires.as_ref().expect("wires"));
        let mut claims = Barrier::raise(db(&mesh), table, "leased_until > runtime.now()").await;
        shop.sell();
        claims.lose_the_answer(line).await;
        line.set(Line::Whole);
        let whole = Instant::now();
        shop.close();
        shop.all_taken().await;
        mesh.done().await;
        println!("an answer to a claim in {table} was lost: {:.1?}", whole.elapsed());
        assert!(whole.elapsed() < AT_ONCE, "{table}: {:?}", whole.elapsed());
        claims.remove().await;
    }
    network::settles(&mesh, &mut shop, &post).await;
}
