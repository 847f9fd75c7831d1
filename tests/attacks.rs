//! Attacks on separate processes: the attackers call from 127.0.0.2, and genuine callers at 127.0.0.1 must not be affected.
#![expect(clippy::print_stdout, reason = "these tests say what they measured")]

mod attack;
mod bodies;
mod connections;
mod forged;
mod heads;
mod http2;
mod slow_clients;
mod target;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use self::attack::Connection;
pub(crate) use self::target::Target;
use crate::stripe::{event, sign};

/// The fewest calls of genuine callers from which a share of failures can be said.
const LEAST: usize = 10;

/// The results of genuine callers during an attack.
#[derive(Debug, Default)]
pub(crate) struct Fared {
    /// How long each answer took.
    took: Vec<Duration>,
    /// Answers other than 200, or none.
    failed: Vec<String>,
}

impl Fared {
    /// The median of the times.
    fn median(&self) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        took.get(took.len() / 2).copied().unwrap_or(Duration::MAX)
    }

    /// Fails if one per cent or more of the calls failed.
    fn assert_well(&self) {
        println!(
            "genuine: {} answered, median {:?}, failed {:?}",
            self.took.len(),
            self.median(),
            self.failed
        );
        assert!(
            self.took.len() >= LEAST,
            "only {} were answered; failed: {:?}",
            self.took.len(),
            self.failed
        );
        let all = self.took.len() + self.failed.len();
        assert!(self.failed.len() * 100 < all, "{} of {all} failed: {:?}", self.failed.len(), self.failed);
    }
}

/// Posts genuine webhooks for this long, and longer on a machine that is too slow for some calls in this time.
pub(crate) async fn genuine(target: &Target, span: Duration) -> Fared {
    genuine_calls(target, span, LEAST).await
}

/// Posts genuine webhooks for this long, and this many at the least, one after the other, each over a new connection. It runs on a
/// thread of its own, so that it does not wait for the attackers in this process.
async fn genuine_calls(target: &Target, span: Duration, least: usize) -> Fared {
    let gateway = target.gateway;
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _ = send.send(runtime.block_on(post(gateway, span, least)));
    });
    receive.await.expect("they were posted")
}

async fn post(gateway: SocketAddr, span: Duration, least: usize) -> Fared {
    let (begun, mut fared, mut number) = (Instant::now(), Fared::default(), 0);
    while begun.elapsed() < span || number < least {
        number += 1;
        let id = format!("genuine_{number}_{}", levqor_runtime::id::request_id());
        let object = serde_json::json!({"id": "cus_1", "object": "customer"});
        let body = event(&id, "customer.updated", &object).to_string();
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: a\r\nconnection: close\r\nstripe-signature: {}\r\ncontent-length: {}\r\n\r\n",
            sign(&body),
            body.len()
        );
        let asked = Instant::now();
        let answer = match Connection::open(1, gateway, format!("{head}{body}").as_bytes()).await {
            Ok(mut connection) => connection.read(Duration::from_secs(10)).await,
            Err(error) => error.to_string(),
        };
        if answer.starts_with("HTTP/1.1 200 ") {
            fared.took.push(asked.elapsed());
        } else {
            fared.failed.push(answer.lines().next().unwrap_or("no answer").to_owned());
        }
    }
    fared
}
