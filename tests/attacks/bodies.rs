//! Attacks with incomplete bodies, and with many bodies.

use std::time::Duration;

use super::{Target, attack::attackers, genuine, http2};
use crate::stripe::sign;

/// The memory that an attacked process may have.
const MOST_MEMORY: u64 = 300 << 20;
const SPAN: Duration = Duration::from_secs(6);

fn webhook_head(length: usize) -> String {
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: a\r\nstripe-signature: {}\r\ncontent-length: {length}\r\n\r\n",
        sign("of another body")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_webhooks_over_http_1_block_no_other_client() {
    let target = Target::start().await;
    let held = attackers(1100, target.gateway, format!("{}{{", webhook_head(600)).into_bytes()).await;
    genuine(&target, SPAN).await.assert_well();
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_webhooks_over_http_2_block_no_other_client() {
    let target = Target::start().await;
    let posts = http2::half_posts("/webhooks/stripe", &sign("of another body"), 200);
    let mut held = attackers(6, target.gateway, posts.clone()).await;
    let again = async {
        // Attackers that were refused or timed out are replaced by new ones.
        for _ in 0..4 {
            held[0].read(Duration::from_millis(1500)).await;
            held.extend(attackers(6, target.gateway, posts.clone()).await);
        }
    };
    let (fared, ()) = tokio::join!(genuine(&target, SPAN), again);
    fared.assert_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_bodies_stay_within_their_memory_limit() {
    let target = Target::start().await;
    let body = "x".repeat((1 << 20) - 1);
    let bytes = format!("{}{body}", webhook_head(1 << 20)).into_bytes();
    let attack = attackers(1000, target.gateway, bytes);
    let (held, fared) = tokio::join!(attack, genuine(&target, SPAN));
    println!("{} held, memory {:?}", held.len(), target.memory());
    assert!(target.memory().iter().all(|memory| *memory < MOST_MEMORY), "{:?}", target.memory());
    fared.assert_well();
}
