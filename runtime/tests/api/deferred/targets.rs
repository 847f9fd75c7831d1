//! One target that hangs or fails does not delay calls to other targets.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use levqor_proto::{
    billing::v1::PurgeStripeEventBodiesRequest, notifications::v1::DeliverMessageRequest,
    runtime::v1::PurgeExpiredRequest,
};
use levqor_runtime::{
    deferred::defer,
    testing::{TestService, eventually},
};

use tokio::net::TcpListener;

use super::{settled, state};
use crate::probe::{self, Probe, effects};

/// The chassis' limit of concurrent calls to one target.
pub(super) const MAX: usize = 24;

/// Defers calls to the probe, which is one target.
pub(super) async fn backlog(service: &TestService<Probe>, name: &str, calls: usize) {
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    for n in 0..calls {
        let message_id = if name == "panic" { name.to_owned() } else { format!("{name}-{n}") };
        defer(&mut tx, &DeliverMessageRequest { message_id }, format!("{name}-{n}")).await.expect("defer");
    }
    tx.commit().await.expect("commit");
}

async fn wait_for_effects(service: &TestService<Probe>, calls: usize) {
    eventually("all calls are made", || async { (effects(service).await.len() == calls).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_backlog_of_calls_to_one_target_is_made_without_waiting_for_the_next_poll() {
    let service = probe::start().await;
    backlog(&service, "backlog", 200).await;
    wait_for_effects(&service, 200).await;
    let most = service.running.service.most_delivering.load(Ordering::SeqCst);
    assert!((1..=MAX).contains(&most), "{most} at once");
    service.stop().await;
}

#[tokio::test]
async fn a_target_that_hangs_does_not_delay_other_targets_and_is_called_again_when_it_answers() {
    let service = probe::start().await;
    let probe = &service.running.service;
    probe.close_gate();
    backlog(&service, "hanging", 80).await;
    let full = || async { (probe.at_gate.load(Ordering::SeqCst) >= MAX).then_some(()) };
    eventually("the target has no free permit", full).await;
    call_another_target(&service).await;
    assert_eq!(probe.at_gate.load(Ordering::SeqCst), MAX, "calls that hang");
    probe.open_gate();
    wait_for_effects(&service, 80).await;
    assert_eq!(probe.most_delivering.load(Ordering::SeqCst), MAX);
    service.stop().await;
}

/// Makes calls to another target in the same process, one after the other.
async fn call_another_target(service: &TestService<Probe>) {
    for n in 0..20 {
        let (key, mut tx) =
            (format!("other-{n}"), service.running.chassis().db.begin().await.expect("begin"));
        defer(&mut tx, &PurgeExpiredRequest {}, &*key).await.expect("defer");
        tx.commit().await.expect("commit");
        settled(service, &key).await;
    }
}

#[tokio::test]
async fn if_all_other_targets_hang_calls_to_one_target_continue() {
    // Billing accepts connections and does nothing more.
    let billing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = billing.local_addr().expect("an address").to_string();
    let service = probe::start_with(&[("LEVQOR_BILLING_ADDR", &addr)]).await;
    let probe = &service.running.service;
    probe.close_gate();
    backlog(&service, "hanging", 80).await;
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    for n in 0..80 {
        defer(&mut tx, &PurgeStripeEventBodiesRequest {}, format!("silence-{n}")).await.expect("defer");
    }
    tx.commit().await.expect("commit");
    for target in ["levqor.notifications.v1", "levqor.billing.v1"] {
        let held = "SELECT count(*) FROM runtime.work WHERE target = $1 AND leased_until > runtime.now()";
        eventually("the target has no free permit", || async {
            let held = sqlx::query_scalar::<_, i64>(held).bind(target).fetch_one(service.db.pool()).await;
            (held.expect("a count") == i64::try_from(MAX).expect("a few")).then_some(())
        })
        .await;
    }
    let begun = Instant::now();
    call_another_target(&service).await;
    // A call that hangs times out after 30 seconds.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "the calls waited for the targets that hang: {:?}",
        begun.elapsed()
    );
    probe.open_gate();
    drop(billing);
    service.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_frees_its_permit() {
    let service = probe::start().await;
    backlog(&service, "panic", MAX + 8).await;
    for n in 0..MAX + 8 {
        eventually("it was tried", || async {
            state(&service, &format!("panic-{n}"))
                .await
                .filter(|(.., failure)| failure.starts_with("INTERNAL"))
        })
        .await;
    }
    backlog(&service, "after", 1).await;
    settled(&service, "after-0").await;
    service.stop().await;
}
