//! PostgreSQL is restarted and its sessions are ended, again and again under load. None of our processes needs a restart.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    fault_seed,
    mail_provider::MailProvider,
    outcome::assert_told_once,
    postgres_down::cluster,
    processes::{MESHES, Mesh, Plan},
    shop::Shop,
};
use crate::{services, settings::number};

/// Webhooks between two faults.
const BETWEEN: usize = 25;
/// Time limit, from the moment when PostgreSQL accepts connections: the mesh must accept webhooks again, and must have sent the
/// mails of all orders that were sold until then. Calls that failed meanwhile wait some seconds for their next attempt. But nothing
/// waits for the outcome of a lost attempt, which takes 30 s, or for the end of a lease, which takes 45 s.
const RECOVERY: Duration = Duration::from_secs(20);

#[tokio::test]
async fn ten_restarts_of_postgresql_lose_nothing_and_recovery_takes_seconds() {
    let (cluster, _remover) = cluster().await;
    let seed = fault_seed();
    let (mut shop, post) = (Shop::open(seed), MailProvider::open(true));
    let urls = services::ALL.iter().map(|service| cluster.database(service.name()).expect("url"));
    let plan = Plan {
        databases: urls.collect(),
        // The recovery has a time limit.
        permits: MESHES,
        ..Plan::new(1, &shop, &post).await
    };
    let mut mesh = Mesh::start(plan).await;
    shop.deliver_to(mesh.door);
    let ids = mesh.ids();
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut recovered, mut mailed) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        shop.until_taken(shop.taken() + BETWEEN).await;
        if dice.random() { cluster.kill() } else { cluster.stop() }.expect("stopped");
        cluster.start().expect("started");
        let (back, before) = (Instant::now(), shop.taken());
        shop.until_taken(before + 1).await;
        recovered.push(back.elapsed());
        shop.all_taken().await;
        mesh.done().await;
        mailed.push(back.elapsed());
    }
    println!("accepted again after {recovered:.2?}, all mails sent after {mailed:.2?}");
    assert!(recovered.iter().all(|took| *took < RECOVERY), "{recovered:?}");
    assert!(mailed.iter().all(|took| *took < RECOVERY), "{mailed:?}");
    shop.close();
    shop.all_taken().await;
    mesh.rest().await;
    assert_told_once(&mesh, &shop).await;
    post.assert_told(&mesh).await;
    assert_eq!(mesh.ids(), ids, "a process was restarted");
}

#[tokio::test]
async fn terminated_backends_lose_nothing() {
    let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
    let plan = Plan { permits: MESHES, ..Plan::new(1, &shop, &post).await };
    let mut mesh = Mesh::start(plan).await;
    shop.deliver_to(mesh.door);
    let ids = mesh.ids();
    let (mut ended, rounds) = (0_i64, number::<i64>("LEVQOR_FAULT_TERMINATIONS", 20));
    for _ in 0..rounds {
        shop.until_taken(shop.taken() + BETWEEN).await;
        for db in [mesh.billing(), mesh.notifications()] {
            let all_but_ours = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name <> 'levqor-test'";
            ended += sqlx::query_scalar::<_, i64>(all_but_ours).fetch_one(db.pool()).await.expect("a count");
        }
    }
    println!("{ended} sessions were ended; LEVQOR_FAULT_TERMINATIONS=40 ends them twice as often");
    assert!(ended > 2 * rounds, "only {ended} sessions were ended");
    shop.close();
    shop.all_taken().await;
    mesh.rest().await;
    assert_told_once(&mesh, &shop).await;
    post.assert_told(&mesh).await;
    assert_eq!(mesh.ids(), ids, "a process was restarted");
}
