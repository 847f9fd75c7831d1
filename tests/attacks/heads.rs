//! Attacks with large heads, and with heads that never end.

use std::time::{Duration, Instant};

use super::{
    Target,
    attack::{ATTACKER, Connection, attackers},
    genuine,
};

#[tokio::test(flavor = "multi_thread")]
async fn large_fields_break_no_channel_that_others_use() {
    let target = Target::start().await;
    let filler = "a".repeat(60_000);
    let attack = async {
        let begun = Instant::now();
        let mut sent = 0;
        for field in ["accept-language: ", "authorization: Bearer "].into_iter().cycle().take(480) {
            let head = format!("GET /v1/orders HTTP/1.1\r\nhost: a\r\n{field}{filler}\r\n\r\n");
            let Ok(mut connection) = Connection::open(ATTACKER, target.gateway, head.as_bytes()).await else {
                continue;
            };
            let answer = connection.read(Duration::from_secs(5)).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
            sent += 1;
        }
        println!("{sent} in {:?}", begun.elapsed());
    };
    let (fared, ()) = tokio::join!(genuine(&target, Duration::from_secs(4)), attack);
    fared.assert_well();
    assert!(fared.failed.is_empty(), "{fared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_heads_stay_within_their_memory_limit() {
    let target = Target::start().await;
    let unfinished = format!("GET /v1/orders HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(380 << 10));
    let attack = attackers(2000, target.gateway, unfinished.into_bytes());
    let (held, fared) = tokio::join!(attack, genuine(&target, Duration::from_secs(5)));
    println!("{} held, memory {:?}", held.len(), target.memory());
    assert!(target.memory().iter().all(|memory| *memory < 300 << 20), "{:?}", target.memory());
    fared.assert_well();
}
