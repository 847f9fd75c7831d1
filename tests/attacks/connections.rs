//! Attacks with connections over which no request comes.

use std::time::Duration;

use super::{
    Target,
    attack::{Connection, attackers},
    genuine,
};

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn others_are_served_beside(target: &Target, connections: usize) {
    let held = attackers(connections, target.gateway, Vec::new()).await;
    println!("{} connections were made", held.len());
    for _ in 0..5 {
        let mut health = Connection::open(3, target.gateway, LIVE).await.expect("a connection");
        let answer = health.read(Duration::from_secs(5)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    genuine(target, Duration::from_secs(2)).await.assert_well();
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let target = Target::start().await;
    others_are_served_beside(&target, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_idle_connections_than_the_process_may_have_files_keep_nobody_out() {
    let target = Target::start_with_files(1024).await;
    others_are_served_beside(&target, 1100).await;
}
