//! Attacks with connections that send no request.

use std::time::Duration;

use super::{
    Target,
    attack::{Connection, attackers},
    genuine,
};
use crate::settings::number;

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

/// The gateway keeps 40 of 100 connections, and 5 of 100 of one address. For 10,000 connections, these are nearly its default limits.
/// For each new connection it searches those of the same address, so the time grows faster than their number.
#[tokio::test(flavor = "multi_thread")]
async fn more_idle_connections_than_the_gateway_allows_block_no_other_client() {
    let connections: usize = number("LEVQOR_ATTACK_CONNECTIONS", 2500);
    println!("LEVQOR_ATTACK_CONNECTIONS=10000 attacks nearly the default limits");
    let (all, of_one) = ((connections * 2 / 5).to_string(), (connections / 20).to_string());
    let limits = [("LEVQOR_MAX_CONNECTIONS", &*all), ("LEVQOR_MAX_CONNECTIONS_PER_ADDRESS", &*of_one)];
    let target = Target::start_with(&limits).await;
    others_are_served_beside(&target, connections).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_idle_connections_than_the_file_limit_block_no_other_client() {
    let target = Target::start_with_files(1024).await;
    others_are_served_beside(&target, 1100).await;
}
