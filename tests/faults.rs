//! The mesh loses nothing when one of its parts, or a system that it uses, fails.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these tests say what they measured, how to play them again, and what the processes said"
)]

mod attempts;
mod barrier;
mod claims;
mod customers;
mod duplicates;
mod erasures;
mod fail_points;
mod failover;
mod kills;
mod mail_provider;
mod network;
mod outcome;
mod postgres_down;
mod postgres_restarts;
mod processes;
mod proxy;
mod refunds;
mod rolling;
mod shop;
mod stripe_api;
mod support;
mod uploads;

use std::{cell::OnceCell, net::SocketAddr, time::Duration};

use levqor_runtime::{client::local_http_client, testing::Caller};
use rand::Rng;
use serde_json::Value;

use crate::{
    fakes::mail::webhooks::Webhook,
    harness::{Answer, telling},
    settings::setting,
    stripe::sign,
};

/// How long a test waits for an answer of a process that may be dead.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The seed of the random faults: the setting's, or a new one. It is printed.
fn fault_seed() -> u64 {
    let seed = setting("LEVQOR_FAULT_SEED").unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    println!("LEVQOR_FAULT_SEED={seed} plays this run again");
    seed
}

/// The HTTP client of this thread. To make one takes long, because it reads the system's certificates.
fn client() -> reqwest::Client {
    thread_local! { static CLIENT: OnceCell<reqwest::Client> = const { OnceCell::new() } }
    CLIENT.with(|client| client.get_or_init(|| local_http_client().expect("a client")).clone())
}

/// Sends a request over a connection of its own. Returns the answer, if there is one.
async fn send(request: reqwest::RequestBuilder) -> Option<Answer> {
    Answer::try_of(request.header("connection", "close").timeout(TIMEOUT)).await
}

/// Posts with an idempotency key. Returns the answer, if there is one.
async fn post_json(
    gateway: SocketAddr,
    caller: &Caller,
    path: &str,
    key: &str,
    body: &Value,
) -> Option<Answer> {
    let request = client().post(format!("http://{gateway}{path}")).header("idempotency-key", key);
    send(by(caller, request.json(body))).await
}

/// Gets. Returns the answer, if there is one.
async fn get(gateway: SocketAddr, caller: &Caller, path: &str) -> Option<Answer> {
    send(by(caller, client().get(format!("http://{gateway}{path}")))).await
}

/// Adds the caller's token. An anonymous caller has none.
fn by(caller: &Caller, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    match caller.authorization() {
        Some(authorization) => request.header("authorization", authorization),
        None => request,
    }
}

/// Posts a webhook. Returns the answer, if there is one.
async fn webhook(gateway: SocketAddr, body: &str) -> Option<Answer> {
    let request = client().post(format!("http://{gateway}/webhooks/stripe"));
    send(request.header("stripe-signature", sign(body)).body(body.to_owned())).await
}

/// Posts a webhook of the mail provider. Returns the response, if there is one.
async fn tell(gateway: SocketAddr, webhook: &Webhook) -> Option<Answer> {
    send(telling(&client(), &format!("http://{gateway}"), webhook)).await
}

/// The response of `/health/ready`, if there is one.
pub(crate) async fn health(gateway: SocketAddr) -> Option<Answer> {
    send(client().get(format!("http://{gateway}/health/ready"))).await
}
