//! What billing counts: Stripe's webhooks, what became of the events, and the orders that were paid.

use levqor_runtime::{
    error::ServiceError,
    metrics::{Attribute, Count, Definition, KeyValue, Metrics, chassis},
};

use crate::{
    domain::{money::Money, order::Tier, stripe_event::State},
    error::Error,
};

/// Webhooks that were taken.
pub const WEBHOOK_EVENTS: Definition = Definition::counter(
    "levqor.webhook.events",
    "{event}",
    "Webhook events with a good signature that are in the journal: new ones, and those that were there before.",
    &[PROVIDER, Attribute::one_of("outcome", &["accepted", "duplicate"])],
);
/// Webhooks that were refused.
pub const WEBHOOK_REFUSALS: Definition = Definition::counter(
    "levqor.webhook.refusals",
    "{event}",
    "Webhook events that were not taken, by the reason. Those that are no fault of the event come again.",
    &[PROVIDER, Attribute::one_of("reason", &REASONS)],
);
/// Which secret was used.
pub const WEBHOOK_VERIFIED: Definition = Definition::counter(
    "levqor.webhook.verified",
    "{event}",
    "Webhook events by the secret that verified them: its place in the setting, from 0. One that rests can be removed.",
    &[PROVIDER, Attribute::known("secret", "the places of the secrets in STRIPE_WEBHOOK_SECRET")],
);
/// Orders that were paid.
pub const ORDERS_PAID: Definition = Definition::counter(
    "levqor.orders.paid",
    "{order}",
    "Orders whose money came.",
    &[CURRENCY, Attribute::one_of("tier", &["STARTER", "PROFESSIONAL", "ENTERPRISE"])],
);
/// The money of orders that were paid.
pub const ORDERS_PAID_AMOUNT: Definition = Definition::counter(
    "levqor.orders.paid.amount",
    "{minor_unit}",
    "The money of orders that were paid, in the currency's minor unit. For watching; the books are the database.",
    &[CURRENCY],
);

/// All of them.
pub const ALL: &[Definition] =
    &[WEBHOOK_EVENTS, WEBHOOK_REFUSALS, WEBHOOK_VERIFIED, ORDERS_PAID, ORDERS_PAID_AMOUNT];

const PROVIDER: Attribute = Attribute::one_of("provider", &["stripe"]);
const CURRENCY: Attribute = Attribute::known("currency", "the currencies that Stripe settles in, or `OTHER`");

/// Why a webhook is not taken; `OTHER` is for what nobody foresaw.
const REASONS: [&str; 10] = [
    "SIGNATURE_MISSING",
    "SIGNATURE_MALFORMED",
    "SIGNATURE_MISMATCH",
    "SIGNATURE_STALE",
    "SIGNATURE_FUTURE",
    "INVALID_ARGUMENT",
    "BUSY",
    "DATABASE_UNAVAILABLE",
    "CONFLICT",
    "OTHER",
];
const VERDICTS: [&str; 4] = ["processed", "unheeded", "retry", "quarantined"];
/// Those that are sold in are there from the start, so that the first order is a rise.
const SOLD_IN: [&str; 3] = ["GBP", "EUR", "USD"];
/// Those that money can come in besides.
const OTHERS: [&str; 20] = [
    "AED", "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "HKD", "HUF", "INR", "JPY", "MXN", "NOK", "NZD", "PLN",
    "RON", "SEK", "SGD", "THB", "ZAR",
];
const TIERS: [Tier; 3] = [Tier::Starter, Tier::Professional, Tier::Enterprise];

/// The series, bound once.
pub(crate) struct BillingMetrics {
    metrics: Metrics,
    accepted: Count,
    duplicate: Count,
    refusals: Vec<Count>,
    secrets: Vec<Count>,
    verdicts: Vec<Count>,
}

impl BillingMetrics {
    /// With so many live secrets.
    pub(crate) fn new(metrics: &Metrics, secrets: usize) -> Self {
        let stripe = KeyValue::new("provider", "stripe");
        let webhook = |definition, key, value: &'static str| {
            metrics.counter(definition, &[stripe.clone(), KeyValue::new(key, value)])
        };
        let secret = |place: usize| {
            let place = KeyValue::new("secret", i64::try_from(place).unwrap_or(i64::MAX));
            metrics.counter(&WEBHOOK_VERIFIED, &[stripe.clone(), place])
        };
        let verdict = |verdict: &&'static str| {
            let journal = KeyValue::new("journal", "stripe_events");
            metrics.counter(&chassis::JOURNAL_VERDICTS, &[journal, KeyValue::new("verdict", *verdict)])
        };
        let this = Self {
            metrics: metrics.clone(),
            accepted: webhook(&WEBHOOK_EVENTS, "outcome", "accepted"),
            duplicate: webhook(&WEBHOOK_EVENTS, "outcome", "duplicate"),
            refusals: REASONS.iter().map(|reason| webhook(&WEBHOOK_REFUSALS, "reason", reason)).collect(),
            secrets: (0..secrets).map(secret).collect(),
            verdicts: VERDICTS.iter().map(verdict).collect(),
        };
        for currency in SOLD_IN {
            this.amount(currency);
            for tier in TIERS {
                drop(this.orders(currency, tier));
            }
        }
        this
    }

    /// An event is in the journal.
    pub(crate) fn taken(&self, duplicate: bool) {
        if duplicate { self.duplicate.one() } else { self.accepted.one() }
    }

    /// An event was not taken.
    pub(crate) fn refused(&self, error: &Error) {
        let place = REASONS.iter().position(|reason| *reason == error.reason());
        if let Some(count) = place.and_then(|place| self.refusals.get(place)).or(self.refusals.last()) {
            count.one();
        }
    }

    /// The secret at this place verified an event.
    pub(crate) fn verified(&self, secret: usize) {
        if let Some(count) = self.secrets.get(secret) {
            count.one();
        }
    }

    /// Events were tried and stand here now; pending is to be tried again.
    pub(crate) fn judged(&self, state: State, events: u64) {
        let place = match state {
            State::Processed => 0,
            State::Unheeded => 1,
            State::Pending => 2,
            State::Quarantined => 3,
        };
        if let Some(count) = self.verdicts.get(place) {
            count.add(events);
        }
    }

    /// An order's money came.
    pub(crate) fn paid(&self, amount: &Money, tier: Tier) {
        let mut known = SOLD_IN.into_iter().chain(OTHERS);
        match known.find(|known| *known == amount.currency) {
            Some(currency) => {
                self.orders(currency, tier).one();
                self.amount(currency).add(amount.minor_units.unsigned_abs());
            }
            // Of several currencies together there is no sum.
            None => self.orders("OTHER", tier).one(),
        }
    }

    fn orders(&self, currency: &'static str, tier: Tier) -> Count {
        let labels = [KeyValue::new("currency", currency), KeyValue::new("tier", tier.as_str())];
        self.metrics.counter(&ORDERS_PAID, &labels)
    }

    fn amount(&self, currency: &'static str) -> Count {
        self.metrics.counter(&ORDERS_PAID_AMOUNT, &[KeyValue::new("currency", currency)])
    }
}
