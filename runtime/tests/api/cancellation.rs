//! A client that disconnects leaves no partial effect and no connection inside a transaction.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use levqor_proto::notifications::v1::ListMessagesRequest;
use levqor_runtime::testing::{Caller, Log, TestService, eventually, spawn};
use tracing::Level;

use crate::probe::{self, Probe, client, effects, in_transaction, mail, send};

#[tokio::test]
async fn a_change_is_completed_after_the_client_disconnects() {
    let service = probe::start().await;
    disconnect_half_way(&service).await;
    assert_eq!(effects(&service).await, Vec::<String>::new(), "nothing is committed half way");
    service.running.service.open_gate();
    eventually("both halves", || async { (effects(&service).await == ["a:begun", "a:done"]).then_some(()) })
        .await;
    no_transaction_is_open(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn a_change_that_fails_after_the_client_disconnected_is_logged() {
    let (log, _guard) = Log::start(Level::WARN);
    let service = probe::start().await;
    disconnect_half_way(&service).await;
    eventually("its server alone is in a transaction", || async {
        let servers: Vec<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .fetch_all(service.db.pool())
        .await
        .expect("servers");
        let [server] = servers[..] else { return None };
        let terminate = sqlx::query("SELECT pg_terminate_backend($1)").bind(server);
        terminate.execute(service.db.pool()).await.expect("terminated");
        Some(())
    })
    .await;
    service.running.service.open_gate();
    let failures = || log.text().matches("the call failed").count();
    eventually("the failure is logged", || async { (failures() > 0).then_some(()) }).await;
    service.stop().await;
    assert_eq!(failures(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_read_that_is_cancelled_leaves_no_transaction_open() {
    let service = probe::start().await;
    let probe = &service.running.service;
    probe.close_gate();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut caller = client(&service);
            spawn(async move {
                caller.list_messages(Caller::staff().request(ListMessagesRequest::default())).await
            })
        })
        .collect();
    // The pool has sixteen connections, minus those of the workers: some calls wait inside, some for a connection.
    eventually("some wait inside", || async { (probe.at_gate.load(Ordering::SeqCst) >= 8).then_some(()) })
        .await;
    for call in calls {
        call.abort();
    }
    no_transaction_is_open(&service).await;
    probe.open_gate();
    mail(&service).send_message(send("after", "k")).await.expect("the pool is sound");
    service.stop().await;
}

#[tokio::test]
async fn begin_is_safe_to_drop_at_any_time() {
    let service = probe::start().await;
    let db = service.running.chassis().db.clone();
    for round in 0..200_u64 {
        // Each call is dropped at a different point.
        let limit = Duration::from_micros(round * 7);
        if let Ok(tx) = tokio::time::timeout(limit, db.begin()).await {
            drop(tx);
        }
    }
    no_transaction_is_open(&service).await;
    service.stop().await;
}

/// Makes a call that changes something, and disconnects when its handler has done half of the work. The gate stays closed.
async fn disconnect_half_way(service: &TestService<Probe>) {
    let probe = &service.running.service;
    probe.close_gate();
    let mut caller = mail(service);
    let call = spawn(async move { caller.send_message(send("a", "k")).await });
    eventually("the handler is half way", || async {
        (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
}

/// Well before PostgreSQL itself would end an idle transaction, after 30 s.
async fn no_transaction_is_open(service: &TestService<Probe>) {
    let begun = Instant::now();
    eventually("no transaction is open", || async { (in_transaction(service).await == 0).then_some(()) })
        .await;
    assert!(begun.elapsed() < Duration::from_secs(10), "PostgreSQL had to end it");
}
