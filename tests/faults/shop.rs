//! The load of the fault tests: buyers at the fake Stripe, and Stripe's webhooks, which are repeated until they are accepted.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use levqor_runtime::testing::eventually;
use serde_json::json;

use crate::{
    fakes::stripe::{API_VERSION, Buyer, Endpoint, KEY, Stripe, Trouble},
    stripe::SECRET,
};

/// How many webhooks are delivered at the same time.
const AT_ONCE: usize = 48;

/// A shop that sells "done for you" work.
pub(crate) struct Shop {
    stripe: Stripe,
    seed: u64,
    /// Checkouts that were paid, or will be.
    sold: Vec<String>,
    /// Checkouts that were paid by a debit whose money has not arrived yet.
    debits: Vec<String>,
}

impl Shop {
    /// Starts a fake Stripe. The seed decides everything that is random.
    pub(crate) fn open(seed: u64) -> Self {
        Self { stripe: Stripe::start(), seed, sold: Vec::new(), debits: Vec::new() }
    }

    /// Makes some requests to Stripe's API fail.
    pub(crate) fn trouble(&self) {
        let mut trouble = Trouble::seeded(self.seed);
        (trouble.rate_limited, trouble.internal, trouble.cut, trouble.slow) = (0.01, 0.01, 0.01, 0.01);
        trouble.slowness = Duration::from_millis(500);
        self.stripe.trouble(trouble);
    }

    /// The settings of billing for this Stripe.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("STRIPE_SECRET_KEY", KEY.to_owned()), ("STRIPE_API_BASE", self.stripe.url())]
    }

    /// Sends webhooks to this address from now on. Some arrive twice, some late, and some in another order.
    pub(crate) fn deliver_to(&self, door: SocketAddr) {
        let mut endpoint = Endpoint::new(&format!("http://{door}/webhooks/stripe"), SECRET, self.seed);
        endpoint.doubled = 0.1;
        (endpoint.late, endpoint.lateness) = (0.02, Duration::from_secs(1));
        endpoint.jitter = Duration::from_millis(30);
        endpoint.longest_pause = Duration::from_millis(200);
        self.stripe.world().register(endpoint);
    }

    /// A sale. Every fifth buyer pays by debit; the money arrives when the tenth buyer after that buys.
    pub(crate) fn sell(&mut self) {
        let n = self.sold.len();
        let (name, email) = (format!("Buyer {n}"), format!("buyer{n}@example.com"));
        let buyer = Buyer { name: &name, email: &email };
        let session = if n % 5 == 4 {
            let session = self.stripe.done_for_you("professional", json!({}));
            self.stripe.world().pay_by_debit(&session, buyer);
            self.debits.push(session.clone());
            session
        } else {
            self.stripe.buy("starter", buyer)
        };
        self.sold.push(session);
        if self.debits.len() > 2 {
            self.stripe.world().debit_succeeds(&self.debits.remove(0));
        }
    }

    /// A guest buys the smallest tier by card.
    pub(crate) fn sell_to(&self, name: &str, email: &str) {
        self.stripe.buy("starter", Buyer { name, email });
    }

    /// Pays a checkout of ours by card.
    pub(crate) fn pay(&self, session: &str, name: &str, email: &str) {
        self.stripe.world().pay_by_card(session, Buyer { name, email });
    }

    /// Sells while no webhooks are delivered. Returns the bodies of the webhooks that Stripe would send.
    pub(crate) fn sell_by_hand(&mut self) -> Vec<String> {
        let before = self.stripe.world().mark();
        self.sell();
        self.close();
        let world = self.stripe.world();
        world.since(before).1.into_iter().map(|event| world.webhook(event, API_VERSION)).collect()
    }

    /// The money of all debits arrives.
    pub(crate) fn close(&mut self) {
        for session in self.debits.drain(..) {
            self.stripe.world().debit_succeeds(&session);
        }
    }

    /// Sells until this many webhooks were accepted. At that moment, others are still being delivered.
    pub(crate) async fn until_taken(&mut self, webhooks: usize) {
        let what = format!("{webhooks} webhooks are taken");
        loop {
            while self.under_way() < AT_ONCE {
                self.sell();
            }
            let before = self.taken();
            if before >= webhooks {
                return;
            }
            let this = &*self;
            eventually(&what, || async move { (this.taken() > before).then_some(()) }).await;
        }
    }

    /// Sells until this future is ready.
    pub(crate) async fn sell_on(&mut self) {
        loop {
            self.until_taken(self.taken() + 1).await;
        }
    }

    /// Waits until every webhook was taken.
    pub(crate) async fn all_taken(&self) {
        eventually("every webhook is taken", || async { (self.under_way() == 0).then_some(()) }).await;
    }

    /// Waits until this many more webhooks were refused or not answered.
    pub(crate) async fn refused(&self, more: usize) {
        let refused = || {
            let world = self.stripe.world();
            world.attempts().iter().filter(|attempt| attempt.status != Some(200)).count()
        };
        let before = refused();
        eventually("webhooks are refused", || async { (refused() >= before + more).then_some(()) }).await;
    }

    /// How many webhooks are still to be taken.
    pub(crate) fn under_way(&self) -> usize {
        self.stripe.world().under_way()
    }

    /// How many webhooks were taken.
    pub(crate) fn taken(&self) -> usize {
        self.stripe.world().attempts().iter().filter(|attempt| attempt.status == Some(200)).count()
    }

    /// The events that were taken.
    pub(crate) fn events(&self) -> BTreeSet<String> {
        let world = self.stripe.world();
        let taken = world.attempts().iter().filter(|attempt| attempt.status == Some(200));
        taken.map(|attempt| attempt.event_id.clone()).collect()
    }

    /// How many webhooks got this status, or no answer.
    pub(crate) fn answered(&self, status: Option<u16>) -> usize {
        self.stripe.world().attempts().iter().filter(|attempt| attempt.status == status).count()
    }

    /// The amounts of all refunds at Stripe.
    pub(crate) fn refunded(&self) -> Vec<i64> {
        let world = self.stripe.world();
        world.of_kind("refund").map(|refund| refund["amount"].as_i64().expect("an amount")).collect()
    }

    /// The values of a label of ours in the metadata of all objects of a kind that have it.
    pub(crate) fn labels(&self, kind: &str, label: &str) -> Vec<String> {
        let world = self.stripe.world();
        let labels = world.of_kind(kind).filter_map(|object| object["metadata"][label].as_str());
        labels.map(str::to_owned).collect()
    }

    /// Checkouts that were paid.
    pub(crate) fn sold(&self) -> BTreeSet<String> {
        self.sold.iter().cloned().collect()
    }
}
