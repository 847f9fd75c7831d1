//! Webhooks: sends every signed event to every endpoint that subscribed to it, until the endpoint accepts it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use levqor_runtime::testing::{delay, spawn};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Client;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedReceiver},
    time::timeout,
};

use super::{versions, world::World};
use crate::stripe::sign_with;

/// How long an endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many deliveries are made at the same time.
const AT_ONCE: usize = 64;

/// Who gets webhooks, and how badly.
pub(crate) struct Endpoint {
    /// Where they go.
    pub(crate) url: String,
    /// The secret that signs them.
    pub(crate) secret: String,
    /// Types of events; `*` is all of them.
    pub(crate) events: Vec<String>,
    /// The API version that shapes them.
    pub(crate) version: String,
    /// The share of events that never come, between 0 and 1.
    pub(crate) lost: f64,
    /// The share of events that come twice.
    pub(crate) doubled: f64,
    /// The share of events that come late.
    pub(crate) late: f64,
    /// How late those come at the most.
    pub(crate) lateness: Duration,
    /// Every event waits at random for up to so long, so that neighbours come in another order.
    pub(crate) jitter: Duration,
    /// How long after a refusal it is tried again; twice as long each time, up to `longest_pause`.
    pub(crate) first_pause: Duration,
    /// See `first_pause`.
    pub(crate) longest_pause: Duration,
    dice: StdRng,
}

impl Endpoint {
    /// An endpoint that gets every event once, at once; the knobs draw from this seed.
    pub(crate) fn new(url: &str, secret: &str, seed: u64) -> Self {
        Self {
            url: url.to_owned(),
            secret: secret.to_owned(),
            events: vec!["*".to_owned()],
            version: versions::ACCOUNT.to_owned(),
            lost: 0.0,
            doubled: 0.0,
            late: 0.0,
            lateness: Duration::ZERO,
            jitter: Duration::ZERO,
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(1),
            dice: StdRng::seed_from_u64(seed),
        }
    }

    /// How long each copy of an event of this type waits; none where the event is lost. None where it is not wanted.
    pub(super) fn fate(&mut self, kind: &str) -> Option<Vec<Duration>> {
        if !self.events.iter().any(|wanted| wanted == "*" || wanted == kind) {
            return None;
        }
        let copies = match (self.dice.random::<f64>() < self.lost, self.dice.random::<f64>() < self.doubled) {
            (true, _) => 0,
            (false, doubled) => 1 + usize::from(doubled),
        };
        let mut wait = || {
            let late = if self.dice.random::<f64>() < self.late { self.lateness } else { Duration::ZERO };
            (self.jitter + late).mul_f64(self.dice.random())
        };
        Some((0..copies).map(|_| wait()).collect())
    }
}

/// One copy of an event for one endpoint.
pub(super) struct Job {
    pub(super) event: usize,
    pub(super) endpoint: usize,
    pub(super) delay: Duration,
    /// When the event was made.
    pub(super) made: Instant,
}

/// One try to deliver an event.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The event's id.
    pub(crate) event_id: String,
    /// The endpoint's answer. None if it gave none.
    pub(crate) status: Option<u16>,
    /// How long after the event it began.
    pub(crate) after: Duration,
}

/// Delivers the events.
pub(super) async fn deliver_all(world: Arc<Mutex<World>>, client: Client, mut jobs: UnboundedReceiver<Job>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(job) = jobs.recv().await {
        drop(spawn(deliver(Arc::clone(&world), client.clone(), Arc::clone(&room), job)));
    }
}

async fn deliver(world: Arc<Mutex<World>>, client: Client, room: Arc<Semaphore>, job: Job) {
    delay(job.delay).await;
    let mut wait = lock(&world).endpoints[job.endpoint].first_pause;
    loop {
        let place = room.acquire().await.expect("it is never closed");
        if attempt(&world, &client, &job).await {
            return;
        }
        drop(place);
        delay(wait).await;
        wait = (wait * 2).min(lock(&world).endpoints[job.endpoint].longest_pause);
    }
}

/// Tries once; whether it was taken.
async fn attempt(world: &Mutex<World>, client: &Client, job: &Job) -> bool {
    let (event_id, url, body, signature) = {
        let world = lock(world);
        let (event, endpoint) = (&world.events[job.event], &world.endpoints[job.endpoint]);
        let body = event.render(&endpoint.version).to_string();
        // Stripe signs each try anew.
        let signature = sign_with(&endpoint.secret, 0, &body);
        (event.id.clone(), endpoint.url.clone(), body, signature)
    };
    let after = job.made.elapsed();
    let request =
        client.post(url).header("stripe-signature", signature).header("content-type", "application/json");
    let status = match timeout(TIMEOUT, request.body(body).send()).await {
        Ok(Ok(response)) => Some(response.status().as_u16()),
        Ok(Err(_)) | Err(_) => None,
    };
    let taken = status.is_some_and(|status| (200..300).contains(&status));
    let mut world = lock(world);
    world.attempts.push(Attempt { event_id, status, after });
    world.under_way -= usize::from(taken);
    let event = &mut world.events[job.event];
    event.pending = event.pending.saturating_sub(usize::from(taken));
    taken
}

fn lock(world: &Mutex<World>) -> std::sync::MutexGuard<'_, World> {
    world.lock().expect("the world")
}

impl World {
    /// Registers an endpoint: it gets what happens from now on.
    pub(crate) fn register(&mut self, endpoint: Endpoint) {
        let object = serde_json::json!({
            "id": self.id("we"), "object": "webhook_endpoint", "api_version": endpoint.version, "application": null,
            "created": self.now(), "description": null, "enabled_events": endpoint.events, "livemode": false,
            "metadata": {}, "status": "enabled", "url": endpoint.url,
        });
        self.add(object);
        self.endpoints.push(endpoint);
    }

    /// The endpoints, to turn their knobs.
    pub(crate) fn endpoints(&mut self) -> &mut [Endpoint] {
        &mut self.endpoints
    }

    /// Every try to deliver so far.
    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Deliveries that are still to be made.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// The body of the event with this number, to be delivered by hand to an endpoint of this version without quirks.
    pub(crate) fn webhook(&self, number: usize, version: &str) -> String {
        self.events[number].render(version).to_string()
    }

    /// The body of the thin twin of the event with this number. Every other one names its snapshot.
    pub(crate) fn thin(&self, number: usize) -> String {
        self.events[number].thin(number.is_multiple_of(2)).to_string()
    }
}
