//! The start of the gateway: it fails with a clear message if a setting or a proto is wrong.

use std::error::Error;

use levqor_gateway::{StartError, settings, start};
use levqor_runtime::clock::Clock;

use crate::harness::{METHODS, config, mesh};

#[tokio::test]
async fn a_busy_port_is_one_clear_sentence() {
    let running = mesh().await;
    let mut config = config();
    config.http_addr = running.gateway.addr();
    let error = start(config, &METHODS, Clock::default()).await.err().expect("the port is taken");
    let text = error.to_string();
    assert!(
        text.contains("LEVQOR_HTTP_ADDR") && text.contains(&running.gateway.addr().to_string()),
        "{text}"
    );
    assert!(matches!(error, StartError::Listen { .. }) && error.source().is_some());
}

#[tokio::test]
async fn a_gateway_that_is_dropped_gives_its_port_back() {
    let mesh = mesh().await;
    let addr = mesh.gateway.addr();
    drop(mesh.gateway);
    levqor_runtime::testing::eventually("the port is free", || async {
        tokio::net::TcpListener::bind(addr).await.ok().map(drop)
    })
    .await;
}

#[test]
fn the_settings_of_the_real_mesh_are_listed() {
    let names: Vec<_> = settings().into_iter().map(|setting| setting.name.into_owned()).collect();
    for name in ["LEVQOR_HTTP_ADDR", "LEVQOR_JWT_SECRET", "LEVQOR_MESH_KEY", "LEVQOR_BILLING_ADDR"] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
}
