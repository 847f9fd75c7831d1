//! The load: signed events over kept-alive HTTP/1.1 connections, each with an id of its own.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use levqor_runtime::{clock::Clock, id};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use crate::{mesh::Mesh, percentiles::Percentiles};

/// The secret that the load signs with.
pub(crate) const SECRET: &str = "whsec_of_the_benchmark";

/// Larger than any answer.
const ANSWER: usize = 8192;

/// What the load saw.
pub(crate) struct Load {
    /// Answers of 200.
    pub(crate) per_second: f64,
    /// Other answers.
    pub(crate) refused: usize,
    /// How long the 200s took.
    pub(crate) latency: Percentiles,
}

/// Posts `customer.updated` events as fast as they are answered.
pub(crate) async fn webhooks(
    gateway: SocketAddr,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Load> {
    events(gateway, connections, span, customer_updated).await
}

/// The same with paid checkouts, from which orders and mails follow.
pub(crate) async fn checkouts(
    gateway: SocketAddr,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Load> {
    events(gateway, connections, span, checkout_completed).await
}

/// Makes the body of an event from its name.
type Event = fn(&str) -> String;

async fn events(
    gateway: SocketAddr,
    connections: usize,
    span: Duration,
    event: Event,
) -> anyhow::Result<Load> {
    let local = LocalSet::new();
    let begun = Instant::now();
    let tasks: Vec<_> =
        (0..connections).map(|n| local.spawn_local(connection(gateway, n, begun + span, event))).collect();
    let (mut latencies, mut refused) = (Vec::new(), 0);
    local
        .run_until(async {
            for task in tasks {
                let (more, failed) = task.await??;
                latencies.extend(more);
                refused += failed;
            }
            anyhow::Ok(())
        })
        .await?;
    let per_second = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Load { per_second, refused, latency: Percentiles::of(latencies) })
}

async fn connection(
    gateway: SocketAddr,
    number: usize,
    until: Instant,
    event: Event,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let key = Rc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes()));
    let (mut latencies, mut refused, mut buffer) = (Vec::new(), 0, vec![0; ANSWER]);
    while Instant::now() < until {
        // Stripe's ids begin with the time, and so keep to one end of the index.
        let name = format!("{:014x}{number:04x}", Clock::default().now().timestamp_micros());
        let request = request(&key, &event(&name));
        let begun = Instant::now();
        if post(&mut stream, &mut buffer, &request).await? == 200 {
            latencies.push(begun.elapsed());
        } else {
            refused += 1;
        }
    }
    Ok((latencies, refused))
}

fn request(key: &ring::hmac::Key, body: &str) -> Vec<u8> {
    let time = Clock::default().now().timestamp();
    let mut signed = ring::hmac::Context::with_key(key);
    signed.update(format!("{time}.").as_bytes());
    signed.update(body.as_bytes());
    let signature = hex::encode(signed.sign().as_ref());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: levqor\r\nstripe-signature: t={time},v1={signature}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Posts a request and reads the whole answer; its status. The load's own time counts among the figures, so it is kept short.
async fn post(stream: &mut TcpStream, buffer: &mut [u8], request: &[u8]) -> anyhow::Result<u16> {
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the gateway closed the connection");
        filled += read;
        let text = std::str::from_utf8(&buffer[..filled])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = |(name, value): (&str, &str)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        };
        let length: Option<usize> = head.lines().find_map(|line| length(line.split_once(':')?));
        if length.is_some_and(|length| body.len() >= length) {
            return Ok(head.split(' ').nth(1).unwrap_or_default().parse()?);
        }
    }
}

/// 1.2 kB, as Stripe's customers are.
fn customer_updated(name: &str) -> String {
    let time = Clock::default().now().timestamp();
    let filler = "x".repeat(800);
    format!(
        r#"{{"id":"evt_{name}","object":"event","api_version":"2026-09-30.endive","created":{time},"livemode":false,"pending_webhooks":1,"type":"customer.updated","data":{{"object":{{"id":"cus_{name}","object":"customer","email":"load@example.com","metadata":{{"filler":"{filler}"}}}}}}}}"#
    )
}

/// A "done for you" order, paid.
fn checkout_completed(name: &str) -> String {
    let time = Clock::default().now().timestamp();
    format!(
        r#"{{"id":"evt_{name}","object":"event","created":{time},"livemode":false,"type":"checkout.session.completed","data":{{"object":{{"id":"cs_{name}","object":"checkout.session","mode":"payment","status":"complete","payment_status":"paid","amount_total":9900,"currency":"gbp","customer":null,"customer_details":{{"email":"load@example.com","name":"Load"}},"metadata":{{"mode":"dfy","plan":"starter"}}}}}}}}"#
    )
}

/// Posts a paid checkout, and returns how long its first mail took from one service's table to the other's.
pub(crate) async fn one_order(mesh: &Mesh) -> anyhow::Result<Duration> {
    let name = id::request_id();
    let body = checkout_completed(&name);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut stream = TcpStream::connect(mesh.gateway()).await?;
    anyhow::ensure!(
        post(&mut stream, &mut vec![0; ANSWER], &request(&key, &body)).await? == 200,
        "the order's event was not accepted"
    );
    mesh.mail_delay(&format!("cs_{name}")).await
}
