//! The start of a delivery attempt is committed, and the connection breaks before PostgreSQL's answer. The provider did not get
//! the mail, so the message must not become `IN_DOUBT`, and must not wait for the outcome of that attempt.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_runtime::testing::eventually;

use super::{barrier::Barrier, network, proxy::Line};

/// How long it may take until all mails are sent, after PostgreSQL answers again. A message waits 30 s for the outcome of an
/// attempt, and the outage takes some of it. Calls that failed meanwhile wait for their next attempt.
const AT_ONCE: Duration = Duration::from_secs(20);
/// Longer than a process tries to store an outcome.
const LONG: Duration = Duration::from_secs(17);

#[tokio::test]
async fn an_attempt_that_never_reached_the_provider_is_no_doubt_and_not_waited_for() {
    let (mesh, mut shop, post) = network::start(false).await;
    let line = &mesh.wires.as_ref().expect("wires").notifications_database;
    let mut attempts = Barrier::raise(mesh.notifications(), "delivery_attempts", "outcome IS NULL").await;
    shop.sell();
    attempts.lose_the_answer(line).await;
    line.set(Line::Whole);
    let whole = Instant::now();
    shop.close();
    shop.all_taken().await;
    mesh.done().await;
    println!("the answer to an attempt's beginning was lost: {:.1?}", whole.elapsed());
    assert!(whole.elapsed() < AT_ONCE, "{:?}", whole.elapsed());
    assert_eq!(post.assert_told(&mesh).await, 0, "a message is in doubt");
}

#[tokio::test]
async fn an_attempt_that_never_reached_the_provider_is_no_doubt_however_long_the_database_is_down() {
    let (mesh, mut shop, post) = network::start(false).await;
    let line = &mesh.wires.as_ref().expect("wires").notifications_database;
    let mut attempts = Barrier::raise(mesh.notifications(), "delivery_attempts", "outcome IS NULL").await;
    shop.sell();
    attempts.lose_the_answer(line).await;
    let cut = Instant::now();
    eventually("no process tries to store the outcome any more", || async {
        (cut.elapsed() > LONG).then_some(())
    })
    .await;
    // After this time, the attempt no longer counts as in progress.
    mesh.advance(TimeDelta::minutes(1)).await;
    line.set(Line::Whole);
    shop.close();
    shop.all_taken().await;
    mesh.rest().await;
    assert_eq!(post.assert_told(&mesh).await, 0, "a message is in doubt");
}
