//! One case: a lifecycle, and the order in which its events come.

use std::fmt;

use levqor_runtime::testing::eventually;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::lifecycles::{Cast, LIFECYCLES, Lifecycle};
use crate::{
    fakes::stripe::{API_VERSION, Stripe, VERSIONS},
    harness::Mesh,
    stripe::sign,
};

/// The most duplicates of an event.
const MOST_DUPLICATES: usize = 3;
/// The most times that a case waits until the mesh has done all that follows.
const MOST_RESTS: usize = 3;

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Each event once, in order. The next event arrives after the effects of the earlier event are complete.
    InOrder,
    /// In order, with duplicates of earlier events.
    Repeated,
    /// Each up to four times, as soon as it was made or at any time after, while Stripe makes further events.
    Shuffled,
}

/// Which form of each event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The snapshot, with the object.
    Snapshot,
    /// The thin one, which only names the object.
    Thin,
    /// One or the other, or both if it is sent twice.
    Either,
}

/// A case under way.
pub(super) struct Case {
    seed: u64,
    telling: Telling,
    pub(super) lifecycle: &'static Lifecycle,
    pub(super) cast: Cast,
    dice: StdRng,
    /// The API version in which its events come.
    pub(super) version: &'static str,
    pub(super) form: Form,
    /// How many further events Stripe makes before it delivers one.
    haste: f64,
    steps: usize,
    rests: usize,
    /// Deliveries still to be made: numbers of events.
    pool: Vec<usize>,
    delivered: Vec<usize>,
    story: Vec<String>,
}

impl Case {
    /// The case of this seed.
    pub(super) fn new(seed: u64, telling: Telling) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let lifecycle =
            LIFECYCLES.choose_weighted(&mut dice, |lifecycle| lifecycle.weight).expect("there are some");
        let haste = *[0.1, 0.5, 0.9].choose(&mut dice).expect("there are three");
        let version = VERSIONS.choose(&mut dice).expect("there are some");
        Self { dice, version, haste, ..Self::of(lifecycle, telling, seed) }
    }

    /// The case of this seed, with its events in this form.
    pub(super) fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The lifecycle, with its events in this version.
    pub(super) fn in_version(lifecycle: &'static Lifecycle, version: &'static str, telling: Telling) -> Self {
        Self { version, telling, haste: 0.5, ..Self::in_order(lifecycle) }
    }

    /// The lifecycle's reference.
    pub(super) fn in_order(lifecycle: &'static Lifecycle) -> Self {
        Self::of(lifecycle, Telling::InOrder, 0)
    }

    fn of(lifecycle: &'static Lifecycle, telling: Telling, seed: u64) -> Self {
        Self {
            seed,
            telling,
            lifecycle,
            cast: Cast::new(),
            dice: StdRng::seed_from_u64(seed),
            version: API_VERSION,
            form: Form::Snapshot,
            haste: 0.0,
            steps: 0,
            rests: 0,
            pool: Vec::new(),
            delivered: Vec::new(),
            story: Vec::new(),
        }
    }

    /// Whether everything has happened and come.
    pub(super) fn is_over(&self) -> bool {
        self.steps == self.lifecycle.steps.len() && self.pool.is_empty()
    }

    /// The ids of its events so far.
    pub(super) fn event_ids(&self, stripe: &Stripe) -> Vec<String> {
        let world = stripe.world();
        self.cast.events.iter().map(|event| world.event(*event).1.to_owned()).collect()
    }

    /// Goes on until the case waits for the mesh, or is over.
    pub(super) async fn go_on(&mut self, stripe: &Stripe, mesh: &Mesh) {
        while !self.is_over() {
            let left = self.steps < self.lifecycle.steps.len();
            if left && (self.pool.is_empty() || self.dice.random_bool(self.haste)) {
                self.step(stripe);
                continue;
            }
            self.deliver(stripe, mesh).await;
            let rests = match self.telling {
                Telling::InOrder => true,
                Telling::Repeated | Telling::Shuffled => {
                    self.rests < MOST_RESTS && self.dice.random_bool(0.15)
                }
            };
            if rests {
                self.rests += 1;
                self.story.push("wait until the mesh is at rest".to_owned());
                return;
            }
        }
    }

    /// Stripe makes events, which are to be delivered.
    fn step(&mut self, stripe: &Stripe) {
        let (name, step) = self.lifecycle.steps[self.steps];
        self.steps += 1;
        self.story.push(format!("at Stripe: {name}"));
        for event in self.cast.play(stripe, step) {
            let duplicates = match self.telling {
                Telling::Shuffled if self.dice.random() => self.dice.random_range(0..=MOST_DUPLICATES),
                _ => 0,
            };
            self.pool.extend(vec![event; 1 + duplicates]);
        }
    }

    /// Delivers some of the events at the same time.
    async fn deliver(&mut self, stripe: &Stripe, mesh: &Mesh) {
        let mut now = Vec::new();
        let copies = if self.telling == Telling::Shuffled { self.dice.random_range(1..=3) } else { 1 };
        for _ in 0..copies.min(self.pool.len()) {
            let next = if self.telling == Telling::Shuffled {
                self.dice.random_range(0..self.pool.len())
            } else {
                0
            };
            now.push(self.pool.remove(next));
        }
        if self.telling == Telling::Repeated && self.dice.random() {
            now.extend(self.delivered.choose(&mut self.dice));
        }
        let names: Vec<_> = now.iter().map(|event| stripe.world().event(*event).0.to_owned()).collect();
        self.story.push(format!("delivered: {}", names.join(" beside ")));
        let mut bodies = Vec::new();
        for event in &now {
            let thin = match self.form {
                Form::Snapshot => false,
                Form::Thin => true,
                Form::Either => self.dice.random(),
            };
            let world = stripe.world();
            bodies.push(if thin { world.thin(*event) } else { world.webhook(*event, self.version) });
        }
        let posts = bodies.iter().map(|body| {
            // Like Stripe, it sends an event again that could not be stored in time.
            eventually("the event is taken", move || async move {
                let answer = mesh.post_webhook("/webhooks/stripe", &sign(body), body.clone()).await;
                assert!([200, 503].contains(&answer.status), "{}", answer.text);
                (answer.status == 200).then_some(())
            })
        });
        futures_util::future::join_all(posts).await;
        self.delivered.extend(now);
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "the case of seed {} ({}, in {}), again with LEVQOR_PROPERTY_SEED={} LEVQOR_PROPERTY_CASES=1:",
            self.seed, self.lifecycle.name, self.version, self.seed
        )?;
        write!(formatter, "{}", self.story.join("\n"))
    }
}
