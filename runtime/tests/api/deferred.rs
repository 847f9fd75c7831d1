//! Deferred calls are made after the commit. Another worker takes over the calls of a killed one. A worker that lost its lease settles no
//! call.

mod targets;

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use levqor_proto::{
    mail::v1::CheckRecipientRequest,
    notifications::v1::DeliverMessageRequest,
    runtime::v1::{
        ListDeferredCallsRequest, ReplayDeferredCallRequest, deferred_call,
        work_service_client::WorkServiceClient,
    },
};
use levqor_runtime::{
    deferred::{defer, defer_at},
    testing::{Caller, TestService, database, eventually},
    work::MAX_ATTEMPTS,
};

use self::targets::{MAX, backlog};
use crate::probe::{self, Probe, effects, mail, send};

/// The state, attempts and failure of the call with this key.
async fn state(service: &TestService<Probe>, key: &str) -> Option<(String, i32, String)> {
    sqlx::query_as("SELECT state, attempts, failure FROM runtime.work WHERE idempotency_key = $1")
        .bind(key)
        .fetch_optional(service.db.pool())
        .await
        .expect("the call")
}

async fn settled(service: &TestService<Probe>, key: &str) {
    eventually("the work is settled", || async { state(service, key).await.is_none().then_some(()) }).await;
}

#[tokio::test]
async fn a_call_is_made_only_after_the_commit() {
    let service = probe::start().await;
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    defer(&mut tx, &DeliverMessageRequest { message_id: "lost".to_owned() }, "rolled-back")
        .await
        .expect("defer");
    drop(tx);
    mail(&service).send_message(send("defer", "k")).await.expect("sent");
    settled(&service, "deferred").await;
    assert_eq!(effects(&service).await, ["defer:begun", "defer:done", "deferred:delivered"]);
    service.stop().await;
}

#[tokio::test]
async fn another_worker_takes_over_the_calls_of_a_killed_worker_within_a_minute() {
    let url = database::<Probe>().await;
    let killed = TestService::<Probe>::start_on(url.clone(), &[]).await;
    killed.running.service.close_gate();
    // The number of calls that the first worker makes concurrently, so that it claims no call a second time.
    backlog(&killed, "orphan", MAX).await;
    let all_wait = || async { (killed.running.service.at_gate.load(Ordering::SeqCst) == MAX).then_some(()) };
    eventually("the first worker makes all calls", all_wait).await;
    // From here on the handlers of the first worker wait, and its leases are not renewed.
    let other = TestService::<Probe>::start_on(url, &[]).await;
    other.running.ready().await;
    other.advance(TimeDelta::seconds(15)).await;
    mail(&other).send_message(send("meanwhile", "k")).await.expect("sent");
    assert!(
        state(&other, "orphan-0").await.is_some_and(|(_, attempts, _)| attempts == 1),
        "the lease still holds"
    );
    other.advance(TimeDelta::seconds(35)).await;
    for n in 0..MAX {
        settled(&other, &format!("orphan-{n}")).await;
    }
    assert!(effects(&other).await.contains(&"orphan-0:delivered".to_owned()));
    killed.running.service.open_gate();
    killed.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_does_not_change_the_call() {
    let service = probe::start().await;
    let probe = &service.running.service;
    probe.close_gate();
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    defer(&mut tx, &DeliverMessageRequest { message_id: "slow".to_owned() }, "slow").await.expect("defer");
    tx.commit().await.expect("commit");
    eventually("the worker is at it", || async { (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(()) })
        .await;
    // Another replica has taken over the call, and holds it.
    let taken: i64 = sqlx::query_scalar(
        "UPDATE runtime.work SET fence = 7, leased_until = runtime.now() + interval '1 hour'
         WHERE idempotency_key = 'slow' RETURNING fence",
    )
    .fetch_one(service.db.pool())
    .await
    .expect("taken over");
    let db = service.db.clone();
    probe.open_gate();
    // The drain waits until the first worker has tried to settle.
    service.stop().await;
    let (fence, held): (i64, bool) = sqlx::query_as(
        "SELECT fence, leased_until > runtime.now() FROM runtime.work WHERE idempotency_key = 'slow'",
    )
    .fetch_one(db.pool())
    .await
    .expect("the row is still there");
    assert_eq!((fence, held), (taken, true), "the first worker must not change the call");
}

#[tokio::test]
async fn a_running_call_cannot_be_replayed_and_a_replay_with_a_key_is_made_once() {
    let service = probe::start().await;
    let probe = &service.running.service;
    probe.close_gate();
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    defer(&mut tx, &DeliverMessageRequest { message_id: "slow".to_owned() }, "slow").await.expect("defer");
    tx.commit().await.expect("commit");
    eventually("the worker is at it", || async { (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(()) })
        .await;
    let id: (sqlx::types::Uuid,) =
        sqlx::query_as("SELECT work_id FROM runtime.work WHERE idempotency_key = 'slow'")
            .fetch_one(service.db.pool())
            .await
            .expect("the call");
    let replay = || ReplayDeferredCallRequest {
        service: "notifications".to_owned(),
        deferred_call_id: id.0.to_string(),
    };
    let mut admin = WorkServiceClient::new(service.channel());
    let refused = admin.replay_deferred_call(Caller::admin().request(replay())).await.expect_err("under way");
    assert_eq!(refused.code(), tonic::Code::Aborted);
    // A call that waits for a later time may be replayed.
    let later = "UPDATE runtime.work SET leased_until = NULL, fence = 0, due_time = runtime.now() + interval '1 hour', attempts = 7";
    sqlx::query(later).execute(service.db.pool()).await.expect("put off");
    let keyed = Caller::admin().with_key("k");
    let first = admin.replay_deferred_call(keyed.request(replay())).await.expect("replayed").into_inner();
    let again =
        admin.replay_deferred_call(keyed.request(replay())).await.expect("the same answer").into_inner();
    assert_eq!(first, again);
    let audited = "SELECT count(*) FROM runtime.audit_entries
                   JOIN runtime.audit_actors ON pseudonym = actor
                   WHERE action = 'deferred_call.replay' AND sub = 'admin' AND actor LIKE 'admin:%'";
    assert_eq!(sqlx::query_scalar::<_, i64>(audited).fetch_one(service.db.pool()).await.expect("count"), 1);
    probe.open_gate();
    settled(&service, "slow").await;
    service.stop().await;
}

#[tokio::test]
async fn a_call_whose_workers_were_all_killed_is_dead_after_its_attempts() {
    let service = probe::start().await;
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    let at = tx.now().await.expect("now") + TimeDelta::hours(1);
    let request = DeliverMessageRequest { message_id: "poison".to_owned() };
    defer_at(&mut tx, &request, "poison", at).await.expect("defer");
    tx.commit().await.expect("commit");
    sqlx::query("UPDATE runtime.work SET attempts = $1 WHERE idempotency_key = 'poison'")
        .bind(MAX_ATTEMPTS)
        .execute(service.db.pool())
        .await
        .expect("tried");
    service.advance(TimeDelta::hours(2)).await;
    eventually("it is dead", || async {
        state(&service, "poison").await.filter(|(state, ..)| state == "DEAD").map(|_| ())
    })
    .await;
    assert!(!effects(&service).await.contains(&"poison:delivered".to_owned()));
    // The same key starts a new call.
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    defer(&mut tx, &request, "poison").await.expect("defer");
    tx.commit().await.expect("commit");
    settled(&service, "poison").await;
    service.stop().await;
}

#[tokio::test]
async fn a_call_with_a_permanent_failure_is_dead_at_once_and_can_be_replayed() {
    let service = probe::start().await;
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    // The probe must not make this call to itself: the access of the RPC names other services.
    let request = CheckRecipientRequest { recipient: "x".to_owned(), ..Default::default() };
    defer(&mut tx, &request, "refused").await.expect("defer");
    tx.commit().await.expect("commit");
    let mut admin = WorkServiceClient::new(service.channel());
    let list = ListDeferredCallsRequest {
        service: "notifications".to_owned(),
        state: deferred_call::State::Dead.into(),
        ..Default::default()
    };
    let dead = eventually("a dead call", || {
        let (mut admin, list) = (admin.clone(), list.clone());
        async move {
            let page =
                admin.list_deferred_calls(Caller::admin().request(list)).await.expect("list").into_inner();
            page.deferred_calls.into_iter().next()
        }
    })
    .await;
    assert_eq!((dead.attempts, dead.failure.as_str()), (1, "PERMISSION_DENIED ROLE_TOO_LOW"));
    assert_eq!(dead.idempotency_key, "refused");
    let replay = ReplayDeferredCallRequest {
        service: "notifications".to_owned(),
        deferred_call_id: dead.deferred_call_id.clone(),
    };
    let refused =
        admin.replay_deferred_call(Caller::staff().request(replay.clone())).await.expect_err("staff may not");
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let replayed =
        admin.replay_deferred_call(Caller::admin().request(replay)).await.expect("replayed").into_inner();
    let replayed = replayed.deferred_call.expect("the call");
    assert_eq!((replayed.state(), replayed.attempts), (deferred_call::State::Waiting, 0));
    service.stop().await;
}

#[tokio::test]
async fn a_call_to_an_unavailable_receiver_is_retried_until_it_is_dead() {
    let service = probe::start().await;
    let mut tx = service.running.chassis().db.begin().await.expect("begin");
    // No process listens at billing's address.
    let request = levqor_proto::billing::v1::PurgeStripeEventBodiesRequest {};
    defer(&mut tx, &request, "away").await.expect("defer");
    tx.commit().await.expect("commit");
    let state = || async { state(&service, "away").await.expect("the call") };
    let held = || async {
        let held = "SELECT leased_until IS NOT NULL FROM runtime.work WHERE idempotency_key = 'away'";
        sqlx::query_scalar::<_, bool>(held).fetch_one(service.db.pool()).await.expect("the call")
    };
    for attempt in 1..MAX_ATTEMPTS {
        eventually("the attempt is settled", || async {
            let (state, attempts, failure) = state().await;
            let settled = state == "WAITING" && attempts == attempt && !failure.is_empty();
            (settled && !held().await).then_some(())
        })
        .await;
        service.advance(TimeDelta::hours(8)).await;
    }
    eventually("it is dead", || async { (state().await.0 == "DEAD").then_some(()) }).await;
    assert_eq!(state().await, ("DEAD".to_owned(), MAX_ATTEMPTS, "UNAVAILABLE".to_owned()));
    service.stop().await;
}
