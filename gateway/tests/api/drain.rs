//! The end of the gateway: no request is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use levqor_runtime::testing::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{mesh, mesh_with},
    upstream::{Gate, Reply},
};

#[tokio::test]
async fn a_request_that_was_taken_is_answered() {
    let mesh = mesh().await;
    let gate = Arc::new(Gate::default());
    mesh.upstream.reply("GetItem", [Reply::Gate(gate.clone())]);
    let request = mesh.client.get(format!("{}/shop/v1/items/i1", mesh.url));
    let in_flight = async { request.send().await.expect("an answer").status() };
    let (client, url, gateway) = (mesh.client.clone(), mesh.url.clone(), mesh.gateway);
    let drained = async {
        gate.entered.notified().await;
        let drain = gateway.drain(Duration::ZERO);
        tokio::pin!(drain);
        let refused = eventually("the port is closed", || {
            let connect = TcpStream::connect(url.trim_start_matches("http://").to_owned());
            async { connect.await.is_err().then_some(()) }
        });
        tokio::select! {
            () = &mut drain => panic!("the drain did not wait for the request"),
            () = refused => {}
        }
        gate.opened.notify_one();
        drain.await;
    };
    let (status, ()) = tokio::join!(in_flight, drained);
    assert_eq!(status, StatusCode::OK);
    assert!(client.get(format!("{url}/health/live")).send().await.is_err());
}

#[tokio::test]
async fn a_client_that_has_connected_may_still_ask() {
    let mesh = mesh().await;
    let (addr, gateway) = (mesh.gateway.addr(), mesh.gateway);
    let mut accepted = TcpStream::connect(addr).await.expect("a connection");
    let ask = async {
        eventually("the port is closed", || async { TcpStream::connect(addr).await.is_err().then_some(()) })
            .await;
        accepted.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        accepted.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    let ((), answer) = tokio::join!(gateway.drain(Duration::ZERO), ask);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_draining_gateway_serves_but_is_not_ready() {
    let mesh = mesh().await;
    let status = || Reply::Messages(vec![serde_json::json!({"ready": true})]);
    mesh.upstream.reply("GetStatus", (0..3).map(|_| status()));
    assert_eq!(mesh.get("/health/ready").await.status, StatusCode::OK);
    let (client, url, gateway) = (mesh.client.clone(), mesh.url.clone(), mesh.gateway);
    let get = |path: &str| client.get(format!("{url}{path}")).send();
    let drain = gateway.drain(Duration::from_hours(1));
    tokio::pin!(drain);
    let seen = async {
        eventually("not ready", || async {
            let answer = get("/health/ready").await.expect("an answer");
            (answer.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(())
        })
        .await;
        get("/shop/v1/items/i1").await.expect("an answer")
    };
    let answer = tokio::select! {
        () = &mut drain => panic!("the drain did not wait"),
        answer = seen => answer,
    };
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers().get("connection").expect("a header"), "close");
}

#[tokio::test]
async fn no_request_is_lost_while_the_gateway_drains() {
    // It asks more often than one caller may.
    let mesh = mesh_with(|config| config.rates.on = false).await;
    let (client, url, gateway) = (mesh.client.clone(), mesh.url.clone(), mesh.gateway);
    let ask = |n: usize| {
        let request = client.get(format!("{url}/shop/v1/items/i{n}"));
        async move { request.send().await.map(|answer| answer.status()) }
    };
    let drain = gateway.drain(Duration::from_secs(1));
    let asking = async {
        let mut answered = 0_usize;
        loop {
            match ask(answered).await {
                Ok(StatusCode::OK) => answered += 1,
                Ok(other) => panic!("answered with {other}"),
                // A request may fail only if its connection was never accepted.
                Err(error) if error.is_connect() => return answered,
                Err(error) => panic!("a request was lost: {error:?}"),
            }
        }
    };
    let ((), answered) = tokio::join!(drain, asking);
    assert!(answered > 0);
}

/// The first bytes of an HTTP/2 client: the preface, and no settings of its own.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_drain_closes_idle_connections_and_answers_open_requests() {
    let mesh = mesh_with(|config| config.bodies.grace = Duration::from_mins(1)).await;
    let (addr, gateway) = (mesh.gateway.addr(), mesh.gateway);
    let open = async |beginning: &[u8]| {
        let mut stream = TcpStream::connect(addr).await.expect("a connection");
        stream.write_all(beginning).await.expect("sent");
        stream
    };
    let mut asking =
        open(b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"note\"").await;
    // None of these clients reacts when the gateway closes its connection.
    let silent = [HTTP_2, b"GET /health/live HTTP/1.1\r\nho", b""];
    let silent = futures_util::future::join_all(silent.map(open)).await;
    let begun = Instant::now();
    let goodbye = async {
        for mut stream in silent {
            // The connection is over, whether it is closed or reset.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        let took = begun.elapsed();
        asking.write_all(b": \"n\"}").await.expect("sent");
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.expect("an answer");
        (took, answer)
    };
    let ((), (took, answer)) = tokio::join!(gateway.drain(Duration::ZERO), goodbye);
    assert!(took < Duration::from_secs(8), "the silent held it up for {took:?}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
