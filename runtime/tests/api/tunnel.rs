//! Calls that share a stream: each behaves like a separate call, and none is lost when a server stops.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use levqor_proto::{
    notifications::v1::{
        IngestResendEventRequest, IngestResendEventResponse, ListMessagesRequest, ListMessagesResponse,
    },
    runtime::v1::{TunnelRequest, tunnel_response::Outcome, tunnel_service_client::TunnelServiceClient},
};
use levqor_runtime::{
    client::{Address, BytesCodec, Channels, Outgoing},
    server,
    tasks::Background,
    testing::{Caller, TestService, database, eventually, spawn},
    tunnel::Tunnels,
};
use prost::Message;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, mpsc},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, server::Grpc};

use crate::probe::{Probe, client, effects, start};

fn gateway() -> Caller {
    Caller::service("gateway", "notifications")
}

fn event(name: &str) -> IngestResendEventRequest {
    IngestResendEventRequest { svix_id: name.to_owned(), ..Default::default() }
}

/// Tunnels to these addresses.
fn tunnels(addresses: impl IntoIterator<Item = SocketAddr>) -> (Tunnels, Background) {
    let background = Background::default();
    let addresses = addresses.into_iter().map(Address::Fixed).collect();
    let channels =
        Channels::secured(&HashMap::from([("notifications".to_owned(), addresses)]), &background, None);
    let tunnels = Tunnels::new(&channels, "notifications", &background).expect("tunnels");
    (tunnels, background)
}

async fn call(tunnels: &Tunnels, caller: &Caller, name: &str) -> Result<String, Status> {
    let answer: IngestResendEventResponse = tunnels.call(&caller.carried(), &event(name)).await?;
    Ok(answer.event_id)
}

/// Waits until this number of calls wait at the gate.
async fn at_the_gate(probe: &Probe, many: usize) {
    eventually("the calls are at the gate", || async {
        (probe.at_gate.load(Ordering::SeqCst) == many).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_call_is_answered_while_an_earlier_call_waits() {
    let service = start().await;
    let probe = Arc::clone(&service.running.service);
    let (tunnels, background) = tunnels([service.running.addr]);
    probe.close_gate();
    let waiting = tunnels.clone();
    let waiting = spawn(async move { call(&waiting, &gateway(), "wait").await });
    at_the_gate(&probe, 1).await;
    for name in ["a", "b"] {
        assert_eq!(call(&tunnels, &gateway(), name).await.expect("an answer"), name);
    }
    assert!(!waiting.is_finished());
    probe.open_gate();
    assert_eq!(waiting.await.expect("no panic").expect("an answer"), "wait");
    let done = ["a", "b", "wait"].map(|name| format!("{name} of service:gateway"));
    assert_eq!(effects(&service).await, done);
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn each_call_is_admitted_by_its_own_token() {
    let service = start().await;
    let (tunnels, background) = tunnels([service.running.addr]);
    // No other caller may open a tunnel,
    for stranger in [Caller::service("billing", "notifications"), Caller::admin(), Caller::anonymous()] {
        assert!(call(&tunnels, &stranger, "a").await.is_err());
    }
    assert_eq!(call(&tunnels, &gateway(), "a").await.expect("an answer"), "a");
    // and no other caller may call through an open tunnel.
    for (stranger, code) in [
        (Caller::service("billing", "notifications"), Code::PermissionDenied),
        (Caller::service("gateway", "billing"), Code::Unauthenticated),
        (Caller::admin(), Code::PermissionDenied),
        (Caller::anonymous(), Code::Unauthenticated),
    ] {
        assert_eq!(call(&tunnels, &stranger, "b").await.expect_err("no answer").code(), code);
    }
    assert_eq!(effects(&service).await, ["a of service:gateway"]);
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn a_failure_is_the_same_as_without_a_tunnel() {
    let service = start().await;
    let (tunnels, background) = tunnels([service.running.addr]);
    for name in ["unnamed", "panic"] {
        let through = call(&tunnels, &gateway(), name).await.expect_err("a failure");
        let beside = client(&service).ingest_resend_event(gateway().request(event(name))).await;
        let beside = beside.expect_err("a failure");
        assert_eq!(through.code(), beside.code(), "{name}");
        assert_eq!((through.message(), through.details()), (beside.message(), beside.details()), "{name}");
    }
    assert_eq!(call(&tunnels, &gateway(), "a").await.expect("the tunnel is still open"), "a");
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn an_rpc_without_tunnel_support_is_called_without_a_tunnel() {
    let service = start().await;
    let rpc = "levqor.notifications.v1.NotificationsService/ListMessages".to_owned();
    let sent = tokio_stream::iter([TunnelRequest { number: 7, rpc, ..Default::default() }]);
    let opened = TunnelServiceClient::new(service.channel()).tunnel(gateway().request(sent)).await;
    let response =
        opened.expect("a tunnel").into_inner().message().await.expect("a message").expect("a response");
    let Some(Outcome::Failure(failure)) = response.outcome else { panic!("{response:?}") };
    assert_eq!((response.number, Code::from(failure.code)), (7, Code::Unimplemented));
    let (tunnels, background) = tunnels([service.running.addr]);
    let list: Result<ListMessagesResponse, _> =
        tunnels.call(&gateway().carried(), &ListMessagesRequest::default()).await;
    assert_eq!(list.expect_err("the gateway may not").code(), Code::PermissionDenied);
    background.stop();
    service.stop().await;
}

/// A service of a version without tunnels. It answers one RPC.
async fn without_tunnels(request: axum::extract::Request) -> axum::response::Response {
    if !request.uri().path().ends_with("/IngestResendEvent") {
        return Status::unimplemented("").into_http::<axum::body::Body>();
    }
    let respond = tower::service_fn(|request: tonic::Request<Bytes>| async move {
        let event = IngestResendEventRequest::decode(request.into_inner()).expect("a request");
        let response = IngestResendEventResponse { event_id: event.svix_id, ..Default::default() };
        Ok::<_, Status>(tonic::Response::new(Bytes::from(response.encode_to_vec())))
    });
    Grpc::new(BytesCodec).unary(respond, request).await.map(axum::body::Body::new)
}

#[tokio::test]
async fn a_service_without_tunnel_support_is_called_without_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, app) = (CancellationToken::new(), axum::Router::new().fallback(without_tunnels));
    let server = spawn(server::serve(listener, app, stop.clone()));
    let (tunnels, background) = tunnels([address]);
    for name in ["a", "b"] {
        assert_eq!(call(&tunnels, &gateway(), name).await.expect("an answer"), name);
    }
    background.stop();
    drop(tunnels);
    stop.cancel();
    server.await.expect("no panic");
}

#[tokio::test]
async fn a_caller_whose_deadline_is_over_gets_an_error_and_the_work_is_done() {
    let service = start().await;
    let probe = Arc::clone(&service.running.service);
    let (tunnels, background) = tunnels([service.running.addr]);
    // The tunnel is open, so that the time of the next call is enough to reach the service on a busy machine.
    assert_eq!(call(&tunnels, &gateway(), "a").await.expect("an answer"), "a");
    probe.close_gate();
    let caller = gateway();
    let hasty = Outgoing { timeout: Duration::from_secs(1), ..caller.carried() };
    let answer: Result<IngestResendEventResponse, _> = tunnels.call(&hasty, &event("wait")).await;
    assert_eq!(answer.expect_err("no answer").code(), Code::DeadlineExceeded);
    at_the_gate(&probe, 1).await;
    probe.open_gate();
    eventually("it is done", || async { (effects(&service).await.len() == 2).then_some(()) }).await;
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn more_calls_than_a_tunnel_holds_are_all_answered() {
    let service = start().await;
    let (tunnels, background) = tunnels([service.running.addr]);
    let names: Vec<_> = (0..600).map(|n| n.to_string()).collect();
    let caller = gateway();
    let answers = join_all(names.iter().map(|name| call(&tunnels, &caller, name))).await;
    for (answer, name) in answers.into_iter().zip(&names) {
        assert_eq!(&answer.expect("an answer"), name);
    }
    assert_eq!(effects(&service).await.len(), names.len());
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn calls_whose_callers_disconnected_before_they_were_sent_are_not_made() {
    const LARGE: usize = 40;
    let service = start().await;
    let probe = Arc::clone(&service.running.service);
    let (tunnels, background) = tunnels([service.running.addr]);
    probe.close_gate();
    // As many calls as the server takes of one tunnel,
    let waiting: Vec<_> = (0..256)
        .map(|_| {
            let tunnels = tunnels.clone();
            spawn(async move { call(&tunnels, &gateway(), "wait").await })
        })
        .collect();
    at_the_gate(&probe, 256).await;
    // and more calls than the connection takes while the server does not read.
    let caller = gateway();
    let hasty = Outgoing { timeout: Duration::from_millis(200), ..caller.carried() };
    let large = IngestResendEventRequest { body: vec![b'x'; 100_000].into(), ..event("large") };
    let answers = join_all((0..LARGE).map(|_| tunnels.call::<_, IngestResendEventResponse>(&hasty, &large)));
    for answer in answers.await {
        assert_eq!(answer.expect_err("no answer").code(), Code::DeadlineExceeded);
    }
    probe.open_gate();
    for waiting in waiting {
        waiting.await.expect("no panic").expect("an answer");
    }
    assert_eq!(call(&tunnels, &gateway(), "last").await.expect("an answer"), "last");
    let done = effects(&service).await;
    let large = done.iter().filter(|effect| effect.starts_with("large")).count();
    assert!(large < LARGE / 2, "{large} of {LARGE} calls were made without a waiting caller");
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn no_call_is_lost_when_a_server_stops_or_does_not_exist() {
    let url = database::<Probe>().await;
    let (one, two) = (
        TestService::<Probe>::start_on(url.clone(), &[]).await,
        TestService::<Probe>::start_on(url, &[]).await,
    );
    one.running.ready().await;
    two.running.ready().await;
    // A socket that is bound and does not listen keeps its port from other tests.
    let silent = TcpSocket::new_v4().expect("a socket");
    silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let nobody = silent.local_addr().expect("its address");
    let (tunnels, background) = tunnels([nobody, one.running.addr, two.running.addr]);
    let calls = |round: usize| {
        let tunnels = tunnels.clone();
        let call = move |n: usize| {
            let tunnels = tunnels.clone();
            async move { call(&tunnels, &gateway(), &format!("{round}-{n}")).await }
        };
        join_all((0..20).map(call))
    };
    for answer in calls(0).await {
        answer.expect("both answer");
    }
    // Both services have calls.
    for service in [&one, &two] {
        let probe = &service.running.service;
        probe.close_gate();
    }
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let tunnels = tunnels.clone();
            spawn(async move { call(&tunnels, &gateway(), "wait").await })
        })
        .collect();
    let (first, second) = (Arc::clone(&one.running.service), Arc::clone(&two.running.service));
    at_the_gate(&first, 2).await;
    at_the_gate(&second, 2).await;
    let drain = spawn(two.stop());
    let mut round = 0;
    while !drain.is_finished() {
        round += 1;
        for answer in calls(round).await {
            answer.expect("a server answers");
        }
        if round == 5 {
            first.open_gate();
            second.open_gate();
        }
    }
    drain.await.expect("drained");
    for waiting in waiting {
        waiting.await.expect("no panic").expect("an accepted call is answered");
    }
    background.stop();
    one.stop().await;
    drop(silent);
}

/// A proxy for an address. It closes the connections after a signal.
async fn cutting(before: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let cut = Arc::new(Notify::new());
    let cuts = Arc::clone(&cut);
    spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.expect("a client");
            let cuts = Arc::clone(&cuts);
            spawn(async move {
                let mut server = TcpStream::connect(before).await.expect("the service");
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = cuts.notified() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test]
async fn waiting_callers_get_an_error_when_the_connection_breaks_and_the_next_call_succeeds() {
    let service = start().await;
    let probe = Arc::clone(&service.running.service);
    let (address, cut) = cutting(service.running.addr).await;
    let (tunnels, background) = tunnels([address]);
    probe.close_gate();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let tunnels = tunnels.clone();
            spawn(async move { call(&tunnels, &gateway(), "wait").await })
        })
        .collect();
    at_the_gate(&probe, 3).await;
    cut.notify_waiters();
    for waiting in waiting {
        let lost = waiting.await.expect("no panic").expect_err("no answer");
        assert_eq!(lost.code(), Code::Unavailable);
    }
    assert_eq!(call(&tunnels, &gateway(), "a").await.expect("an answer"), "a");
    probe.open_gate();
    background.stop();
    service.stop().await;
}

#[tokio::test]
async fn the_server_closes_the_tunnel_of_a_client_that_ignores_the_goodbye() {
    let service = start().await;
    let (calls, sent) = mpsc::channel::<TunnelRequest>(1);
    let mut client = TunnelServiceClient::new(service.channel());
    let opened = client.tunnel(gateway().request(ReceiverStream::new(sent))).await;
    let mut answers = opened.expect("a tunnel").into_inner();
    let drain = spawn(service.stop());
    let goodbye = answers.message().await.expect("a message").and_then(|message| message.outcome);
    assert!(matches!(goodbye, Some(Outcome::Goodbye(_))));
    assert!(answers.message().await.expect("the end").is_none());
    drain.await.expect("drained");
    drop(calls);
}
