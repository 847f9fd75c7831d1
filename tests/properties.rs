//! Whatever order Stripe's events come in, and how often: the end is the same.
//!
//! Each case plays a lifecycle at the fake Stripe and delivers its events in an order of its own. Its outcome must be
//! that of the same lifecycle whose events came in order, once each.

mod case;
mod lifecycles;
mod outcome;
mod truth;

use std::collections::BTreeMap;

use case::{Case, Telling};
use levqor_runtime::config::Env;
use lifecycles::LIFECYCLES;
use outcome::outcomes;
use rand::Rng;
use serde_json::Value;

use crate::{
    fakes::stripe::{KEY, Stripe},
    harness::Mesh,
};

/// How many cases are told at the same time, in one mesh.
const BATCH: usize = 100;

/// A number among the environment's settings.
fn setting(name: &str) -> Option<u64> {
    let env = Env::from_process();
    env.get(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

/// A case for each of so many seeds, the first of which is given or drawn.
fn cases(count: u64, telling: Telling) -> Vec<Case> {
    let first = setting("LEVQOR_PROPERTY_SEED").unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    (first..first + count).map(|seed| Case::new(seed, telling)).collect()
}

/// Tells every case to its end; the outcomes, in the cases' order.
async fn tell(stripe: &Stripe, mesh: &Mesh, cases: &mut [Case]) -> Vec<Value> {
    while cases.iter().any(|case| !case.is_over()) {
        futures_util::future::join_all(cases.iter_mut().map(|case| case.go_on(stripe, mesh))).await;
        mesh.settle().await;
    }
    outcomes(mesh, stripe, cases).await
}

/// How each lifecycle ends when its events come in order, once each: as Stripe says.
async fn references(stripe: &Stripe, mesh: &Mesh, fetched: bool) -> BTreeMap<&'static str, Value> {
    let mut cases: Vec<_> = LIFECYCLES.iter().map(Case::in_order).collect();
    let outcomes = tell(stripe, mesh, &mut cases).await;
    for (case, outcome) in cases.iter().zip(&outcomes) {
        truth::assert_told(stripe, case, outcome, fetched);
    }
    cases.iter().map(|case| case.lifecycle.name).zip(outcomes).collect()
}

/// Tells these cases in batches, and compares each with its reference.
async fn compare(stripe: &Stripe, mesh: &Mesh, fetched: bool, mut cases: Vec<Case>) {
    let references = references(stripe, mesh, fetched).await;
    for batch in cases.chunks_mut(BATCH) {
        let outcomes = tell(stripe, mesh, batch).await;
        for (case, outcome) in batch.iter().zip(outcomes) {
            assert!(
                outcome == references[case.lifecycle.name],
                "{case}\nended as {outcome:#}\nand not as {:#}",
                references[case.lifecycle.name]
            );
        }
    }
}

/// Stops the mesh; that it quarantined what nobody can understand is part of some lifecycles.
async fn finish(mesh: Mesh) {
    for error in mesh.take_errors() {
        assert!(error.contains("was quarantined"), "{error}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn any_order_with_any_duplicates_ends_the_same() {
    let stripe = Stripe::start();
    let mesh = Mesh::start_with(&[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &stripe.url())]).await;
    let count = setting("LEVQOR_PROPERTY_CASES").unwrap_or(1000);
    compare(&stripe, &mesh, true, cases(count, Telling::Shuffled)).await;
    finish(mesh).await;
}

/// Without a key nothing is fetched, and convergence is not claimed; that an event works once still is.
#[tokio::test]
async fn without_a_key_what_came_before_may_come_again() {
    let stripe = Stripe::start();
    let mesh = Mesh::start().await;
    compare(&stripe, &mesh, false, cases(50, Telling::Repeated)).await;
    assert!(stripe.world().requests().is_empty(), "nothing is fetched");
    finish(mesh).await;
}
