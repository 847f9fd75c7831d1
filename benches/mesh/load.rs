//! The load: signed events over kept-alive HTTP/1.1 connections, each with an id of its own.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use levqor_runtime::clock::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::percentiles::Percentiles;

/// The secret that the load signs with.
pub(crate) const SECRET: &str = "whsec_of_the_benchmark";

/// Larger than any answer.
const ANSWER: usize = 8192;

/// The result of a load on the floor or on the mesh.
pub(crate) struct Load {
    /// The latencies of the successes: transactions, or responses with 200.
    pub(crate) latency: Percentiles,
    /// The number of responses with another status.
    pub(crate) refused: usize,
    /// How long the load lasted.
    pub(crate) span: Duration,
}

impl Load {
    /// Successes per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latency.count() as f64 / self.span.as_secs_f64()
    }

    /// Combines two loads.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            latency: self.latency.and(other.latency),
            refused: self.refused + other.refused,
            span: self.span + other.span,
        }
    }
}

/// Makes the body of an event from its name.
type Event = fn(&str) -> String;

/// Clients of one gateway.
pub(crate) struct Clients(Vec<Client>);

impl Clients {
    /// Opens this number of connections.
    pub(crate) async fn open(gateway: SocketAddr, connections: usize) -> anyhow::Result<Self> {
        Ok(Self(try_join_all((0..connections).map(|number| Client::open(gateway, number))).await?))
    }

    /// Posts `payment_intent.created` events as fast as they are answered. Billing ignores events of this type.
    pub(crate) async fn webhooks(&mut self, span: Duration) -> anyhow::Result<Load> {
        self.events(span, payment_intent_created).await
    }

    /// The same with `customer.updated` events, which have an effect: each is claimed, judged and settled.
    pub(crate) async fn webhooks_with_effect(&mut self, span: Duration) -> anyhow::Result<Load> {
        self.events(span, customer_updated).await
    }

    /// The same with paid checkouts, from which orders and mails follow.
    pub(crate) async fn checkouts(&mut self, span: Duration) -> anyhow::Result<Load> {
        self.events(span, checkout_completed).await
    }

    async fn events(&mut self, span: Duration, event: Event) -> anyhow::Result<Load> {
        let begun = Instant::now();
        let answers =
            try_join_all(self.0.iter_mut().map(|client| client.post_until(begun + span, event))).await?;
        let span = begun.elapsed();
        let (latencies, refused): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        Ok(Load { latency: Percentiles::of(latencies.concat()), refused: refused.iter().sum(), span })
    }
}

/// A client that posts events over one kept-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
    number: usize,
    key: ring::hmac::Key,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects. Each client that is open at the same time needs a number of its own.
    pub(crate) async fn open(gateway: SocketAddr, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        Ok(Self { stream, number, key, buffer: vec![0; ANSWER] })
    }

    /// A name that no other event has. Stripe's ids begin with the time, so they are inserted at one end of the index.
    fn name(&self) -> String {
        format!("{:014x}{:04x}", Clock::default().now().timestamp_micros(), self.number)
    }

    /// Posts a `payment_intent.created` event. Returns how long it took until it was accepted.
    pub(crate) async fn accepted(&mut self) -> anyhow::Result<Duration> {
        let (status, latency) = self.post(&payment_intent_created(&self.name())).await?;
        anyhow::ensure!(status == 200, "a webhook was answered {status}");
        Ok(latency)
    }

    /// Posts an event. Returns the status of the response, and how long it took.
    pub(crate) async fn post(&mut self, event: &str) -> anyhow::Result<(u16, Duration)> {
        let request = request(&self.key, event);
        let begun = Instant::now();
        let status = post(&mut self.stream, &mut self.buffer, &request).await?;
        Ok((status, begun.elapsed()))
    }

    async fn post_until(&mut self, until: Instant, event: Event) -> anyhow::Result<(Vec<Duration>, usize)> {
        let (mut latencies, mut refused) = (Vec::new(), 0);
        while Instant::now() < until {
            match self.post(&event(&self.name())).await? {
                (200, latency) => latencies.push(latency),
                _ => refused += 1,
            }
        }
        Ok((latencies, refused))
    }
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

/// Posts a request, reads the whole response, and returns its status. The time of the load is part of the figures, so this does
/// little work.
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

/// 1.2 kB, as Stripe's payment intents are.
fn payment_intent_created(name: &str) -> String {
    let time = Clock::default().now().timestamp();
    let filler = "x".repeat(880);
    format!(
        r#"{{"id":"evt_{name}","object":"event","api_version":"2026-09-30.endive","created":{time},"livemode":false,"pending_webhooks":1,"type":"payment_intent.created","data":{{"object":{{"id":"pi_{name}","object":"payment_intent","amount":9900,"customer":"cus_{name}","metadata":{{"filler":"{filler}"}}}}}}}}"#
    )
}

/// 1.2 kB, as Stripe's customers are.
fn customer_updated(name: &str) -> String {
    let time = Clock::default().now().timestamp();
    let filler = "x".repeat(911);
    format!(
        r#"{{"id":"evt_{name}","object":"event","api_version":"2026-09-30.endive","created":{time},"livemode":false,"pending_webhooks":1,"type":"customer.updated","data":{{"object":{{"id":"cus_{name}","object":"customer","email":"load@example.com","metadata":{{"filler":"{filler}"}}}}}}}}"#
    )
}

/// A "done for you" order, paid; 1.2 kB too.
pub(crate) fn checkout_completed(name: &str) -> String {
    let time = Clock::default().now().timestamp();
    let filler = "x".repeat(770);
    format!(
        r#"{{"id":"evt_{name}","object":"event","created":{time},"livemode":false,"type":"checkout.session.completed","data":{{"object":{{"id":"cs_{name}","object":"checkout.session","mode":"payment","status":"complete","payment_status":"paid","amount_total":9900,"currency":"gbp","customer":null,"customer_details":{{"email":"{name}@example.com","name":"Load"}},"metadata":{{"mode":"dfy","plan":"starter","filler":"{filler}"}}}}}}}}"#
    )
}
