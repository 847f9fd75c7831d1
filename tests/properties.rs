//! The outcome does not depend on the order of Stripe's events, or on how often each arrives.
//!
//! Each case plays a lifecycle at the fake Stripe and delivers its events in an order of its own. Its outcome must equal
//! that of the same lifecycle with each event once and in order.
#![expect(clippy::print_stdout, reason = "these tests say how to play them again")]

mod case;
mod lifecycles;
mod outcome;
mod truth;

use std::{
    cell::Cell,
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use case::{Case, Form, Telling};
use chrono::TimeDelta;
use levqor_runtime::testing::eventually;
use lifecycles::LIFECYCLES;
use outcome::outcomes;
use rand::Rng;
use serde_json::Value;

use crate::{
    fakes::{
        mail::{API_KEY, FakeMail},
        stripe::{KEY, Stripe, Trouble, VERSIONS},
    },
    harness::Mesh,
    settings::setting,
};

/// How many cases run at the same time, in one mesh.
const BATCH: usize = 100;
/// The number of cases of the tests that show one thing more than [`any_order_with_any_duplicates_ends_the_same`].
const FEW: u64 = 50;
/// How long to wait for an open circuit. It is longer than its pause of 5 s, in which billing does not ask Stripe.
const PAUSE: Duration = Duration::from_secs(6);

/// The seeds to try. The environment may set the first seed, which is otherwise random, and their number, which is otherwise
/// `otherwise`, and never more than `most`.
fn seeds(otherwise: u64, most: u64) -> Range<u64> {
    let first = setting("LEVQOR_PROPERTY_SEED").unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    let count = setting("LEVQOR_PROPERTY_CASES").unwrap_or(otherwise).min(most);
    println!("LEVQOR_PROPERTY_SEED={first} LEVQOR_PROPERTY_CASES={count} plays these cases again");
    first..first + count
}

fn cases(seeds: Range<u64>, telling: Telling) -> Vec<Case> {
    seeds.map(|seed| Case::new(seed, telling)).collect()
}

/// A Stripe, a mail provider and a mesh.
struct Stage {
    stripe: Stripe,
    post: FakeMail,
    mesh: Mesh,
    /// Whether the mesh fetches what events are about.
    fetches: bool,
    /// Whether its fetches may need a retry.
    troubled: bool,
}

impl Stage {
    /// A mesh that has a key of the Stripe.
    async fn with_a_key() -> Self {
        let stripe = Stripe::start();
        let url = stripe.url();
        let stage = Self::start(stripe, &[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &url)]).await;
        Self { fetches: true, ..stage }
    }

    /// A mesh that gets these events of Stripe.
    async fn start(stripe: Stripe, settings: &[(&str, &str)]) -> Self {
        let post = FakeMail::start();
        let url = post.url();
        let mail = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url), ("RESEND_RATE", "0")];
        let mesh = Mesh::start_with(&[settings, &mail].concat()).await;
        Self { stripe, post, mesh, fetches: false, troubled: false }
    }

    /// Plays every case to its end. Returns the outcomes in the order of the cases.
    async fn tell(&self, cases: &mut [Case]) -> Vec<Value> {
        while cases.iter().any(|case| !case.is_over()) {
            let all = cases.iter_mut().map(|case| case.go_on(&self.stripe, &self.mesh));
            futures_util::future::join_all(all).await;
            self.rest().await;
        }
        outcomes(self, cases).await
    }

    /// Waits until the mesh has no work left. Delayed work becomes due while it waits.
    async fn rest(&self) {
        let moved = Cell::new((Instant::now(), usize::MAX));
        eventually("the mesh is at rest, whatever it has to try again", || async {
            let at_rest = self.mesh.at_rest().await;
            if at_rest.is_none() && self.troubled {
                self.let_time_pass(&moved).await;
            }
            at_rest
        })
        .await;
    }

    /// Moves the mesh's time to where every event is due, 40 s at least, unless some work is due or worked on: on a slow machine a
    /// lease would run out, again and again. `moved` is when it did so last, and how often Stripe was asked before. If billing did not ask
    /// Stripe since, the circuit is open. Its pause passes in the machine's time, and events would only use up their attempts in it.
    async fn let_time_pass(&self, moved: &Cell<(Instant, usize)>) {
        let asked = self.stripe.world().requests().len();
        let (since, asked_before) = moved.get();
        if asked == asked_before && since.elapsed() < PAUSE {
            return;
        }
        let step = "SELECT ceil(extract(epoch FROM greatest(interval '40 s', max(due_time) - runtime.now())))::bigint
                    FROM stripe_events
                    WHERE state = 'PENDING'
                    HAVING count(*) FILTER (WHERE due_time <= runtime.now()) = 0";
        let step: Option<i64> =
            sqlx::query_scalar(step).fetch_optional(self.mesh.billing_db().pool()).await.expect("a step");
        let Some(step) = step else { return };
        for db in self.mesh.databases() {
            let busy = "SELECT EXISTS (SELECT FROM runtime.leases WHERE leased_until > runtime.now())
                            OR EXISTS (SELECT FROM runtime.work WHERE state = 'WAITING' AND due_time <= runtime.now())";
            let busy: bool = sqlx::query_scalar(busy).fetch_one(db.pool()).await.expect("whether it works");
            if busy {
                return;
            }
        }
        self.mesh.advance(TimeDelta::seconds(step)).await;
        self.mesh.billing().wakes.journal.notify_one();
        moved.set((Instant::now(), asked));
    }

    /// How each lifecycle ends when its events come in order, once each: as Stripe says.
    async fn references(&self) -> BTreeMap<&'static str, Value> {
        let mut cases: Vec<_> = LIFECYCLES.iter().map(Case::in_order).collect();
        let outcomes = self.tell(&mut cases).await;
        for (case, outcome) in cases.iter().zip(&outcomes) {
            truth::assert_told(&self.stripe, case, outcome, self.fetches);
        }
        cases.iter().map(|case| case.lifecycle.name).zip(outcomes).collect()
    }

    /// Plays these cases in batches, and compares each outcome with its reference.
    async fn compare(&self, references: &BTreeMap<&'static str, Value>, mut cases: Vec<Case>) {
        for batch in cases.chunks_mut(BATCH) {
            let outcomes = self.tell(batch).await;
            for (case, outcome) in batch.iter().zip(outcomes) {
                let mut expected = references[case.lifecycle.name].clone();
                if let (true, Some(tables)) = (case.form != Form::Snapshot, expected.as_object_mut()) {
                    tables.remove("events");
                }
                assert!(outcome == expected, "{case}\nended as {outcome:#}\nand not as {expected:#}");
            }
        }
    }

    /// Stops the mesh. In some lifecycles, it quarantined an event that cannot be understood.
    async fn finish(self) {
        let sent = "SELECT count(*) FROM messages WHERE state = 'SENT'";
        let sent: i64 =
            sqlx::query_scalar(sent).fetch_one(self.mesh.notifications_db().pool()).await.expect("a count");
        assert_eq!(i64::try_from(self.post.accepted().len()), Ok(sent), "mails that no message explains");
        for error in self.mesh.take_errors() {
            assert!(error.contains("was quarantined"), "{error}");
        }
        self.mesh.finish().await;
    }
}

#[tokio::test]
async fn any_order_with_any_duplicates_ends_the_same() {
    let stage = Stage::with_a_key().await;
    let references = stage.references().await;
    stage.compare(&references, cases(seeds(100, u64::MAX), Telling::Shuffled)).await;
    Box::pin(stage.finish()).await;
}

#[tokio::test]
async fn trouble_with_stripes_api_only_delays_the_end() {
    let mut stage = Stage::with_a_key().await;
    let references = stage.references().await;
    let seeds = seeds(FEW, FEW);
    // Whom it hits is up to the order in which requests come, whatever its seed. Some events need two requests. If half of the
    // requests failed, one such event in a thousand would fail in all of its attempts.
    let mut trouble = Trouble::seeded(1);
    (trouble.rate_limited, trouble.internal, trouble.cut, trouble.slow) = (0.1, 0.1, 0.1, 0.1);
    trouble.slowness = Duration::from_millis(50);
    stage.stripe.trouble(trouble);
    stage.troubled = true;
    let all = seeds.end - seeds.start == FEW;
    stage.compare(&references, cases(seeds, Telling::Shuffled)).await;
    let again = "SELECT count(*) FROM stripe_events WHERE attempts > 1";
    let again: i64 =
        sqlx::query_scalar(again).fetch_one(stage.mesh.billing_db().pool()).await.expect("a count");
    assert!(again > 0 || !all, "nothing was in trouble");
    Box::pin(stage.finish()).await;
}

/// The body of one lifecycle cannot be understood: its notice has the name of the event, which differs between the forms.
#[tokio::test]
async fn thin_events_and_their_snapshot_twins_end_the_same() {
    let stage = Stage::with_a_key().await;
    // The cases share Stripe's clock: while one waits for its delivery, others let months pass.
    stage.stripe.world().event_days = 10_000;
    let references = stage.references().await;
    let few = cases(seeds(FEW, 2 * FEW), Telling::Shuffled).into_iter();
    let understood = few.filter(|case| case.lifecycle.name != "nobody knows what is sold");
    let forms = [Form::Thin, Form::Either].into_iter().cycle();
    Box::pin(
        stage.compare(&references, understood.zip(forms).map(|(case, form)| case.in_form(form)).collect()),
    )
    .await;
    Box::pin(stage.finish()).await;
}

/// With and without a key, since without one the body itself is read. With a key, the body only names the object to fetch, so the oldest
/// and the newest version are enough beside those that the shuffled cases draw.
#[tokio::test]
async fn every_version_of_stripes_api_reads_to_the_same_rows() {
    for has_key in [true, false] {
        let stage =
            if has_key { Stage::with_a_key().await } else { Stage::start(Stripe::start(), &[]).await };
        let references = stage.references().await;
        // Without a key nothing converges, so nothing may come in another order.
        let telling = if has_key { Telling::Shuffled } else { Telling::Repeated };
        let of =
            |version| LIFECYCLES.iter().map(move |lifecycle| Case::in_version(lifecycle, version, telling));
        let mut versions = VERSIONS.to_vec();
        if has_key {
            versions.retain(|version| [VERSIONS.first(), VERSIONS.last()].contains(&Some(version)));
        }
        stage.compare(&references, versions.into_iter().flat_map(of).collect()).await;
        Box::pin(stage.finish()).await;
    }
}

/// Without a key nothing is fetched, so the rows may differ from Stripe. An event still works once.
#[tokio::test]
async fn without_a_key_an_earlier_request_may_have_its_effect_again() {
    let stage = Stage::start(Stripe::start(), &[]).await;
    let references = stage.references().await;
    stage.compare(&references, cases(seeds(FEW, FEW), Telling::Repeated)).await;
    assert!(stage.stripe.world().requests().is_empty(), "nothing is fetched");
    Box::pin(stage.finish()).await;
}
