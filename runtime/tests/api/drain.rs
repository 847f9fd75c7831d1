//! A stopping service answers its open requests, and reports that it takes no new ones.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use levqor_runtime::testing::{TestService, database, eventually, spawn};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::probe::{Probe, mail, send};

#[tokio::test]
async fn accepted_requests_are_answered_while_health_says_not_serving() {
    let url = database::<Probe>().await;
    let service = TestService::<Probe>::start_on(url, &[("LEVQOR_DRAIN_DELAY_MS", "300")]).await;
    let probe = std::sync::Arc::clone(&service.running.service);
    eventually("it serves", || async {
        let health = HealthClient::new(service.channel()).check(HealthCheckRequest::default()).await;
        health.ok().filter(|health| health.get_ref().status() == ServingStatus::Serving).map(|_| ())
    })
    .await;
    probe.close_gate();
    let mut caller = mail(&service);
    let call = spawn(async move { caller.send_message(send("a", "k")).await });
    eventually("it is at work", || async { (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    // An open stream gets the notice, even if this process is held up for longer than the delay of the drain.
    let states = HealthClient::new(service.channel()).watch(HealthCheckRequest::default()).await;
    let mut states = states.expect("a stream").into_inner();
    let drain = spawn(service.stop());
    while states.message().await.expect("a state").expect("it is told").status() != ServingStatus::NotServing
    {
    }
    assert!(!drain.is_finished(), "it waits for the call");
    probe.open_gate();
    call.await.expect("no panic").expect("the call is answered");
    drain.await.expect("drained");
}

/// The first bytes of an HTTP/2 client: the preface, and empty settings.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Longer than the service waits for silent clients.
const LONG: Duration = Duration::from_secs(4);

#[tokio::test]
async fn silent_clients_are_disconnected_and_a_longer_call_is_answered() {
    let service = TestService::<Probe>::start(&[]).await;
    service.running.ready().await;
    let mut silent = Vec::new();
    for beginning in [HTTP_2, b""] {
        let mut stream = TcpStream::connect(service.running.addr).await.expect("a connection");
        stream.write_all(beginning).await.expect("sent");
        silent.push(stream);
    }
    let probe = std::sync::Arc::clone(&service.running.service);
    probe.close_gate();
    let mut caller = mail(&service);
    let call = spawn(async move { caller.send_message(send("a", "k")).await });
    eventually("it is at work", || async { (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    let begun = Instant::now();
    let drain = spawn(service.stop());
    eventually("the silent have had their time", || async { (begun.elapsed() > LONG).then_some(()) }).await;
    assert!(!drain.is_finished(), "it waits for the call");
    probe.open_gate();
    call.await.expect("no panic").expect("the call is answered");
    drain.await.expect("drained");
    assert!(
        begun.elapsed() < 2 * LONG + Duration::from_secs(2),
        "the silent held it up: {:?}",
        begun.elapsed()
    );
    drop(silent);
}
