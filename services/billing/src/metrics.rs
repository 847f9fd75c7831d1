//! Metrics of billing: the verdicts on Stripe's events, the ignored types, and the paid orders.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use levqor_runtime::metrics::{Attribute, Count, Definition, KeyValue, Metrics, chassis};

use crate::domain::{
    money::Money,
    order::Tier,
    stripe_event::{NotOurs, State, documented},
};

/// Orders that became paid.
pub const ORDERS_PAID: Definition = Definition::counter(
    "levqor.orders.paid",
    "{order}",
    "Orders that were paid.",
    &[CURRENCY, Attribute::one_of("tier", &["STARTER", "PROFESSIONAL", "ENTERPRISE"])],
);
/// The amounts of orders that became paid.
pub const ORDERS_PAID_AMOUNT: Definition = Definition::counter(
    "levqor.orders.paid.amount",
    "{minor_unit}",
    "Amounts of paid orders, in the currency's minor unit (ISO 4217). For monitoring only: the database is the record.",
    &[CURRENCY],
);

/// Events that are not ours.
pub const STRIPE_EVENTS_NOT_OURS: Definition = Definition::counter(
    "levqor.stripe.events.not_ours",
    "{event}",
    "Stripe events that were journaled and ignored because they are not ours: of the mode (live or test) that this mesh does not act on, of another account, or of a sale that is not ours.",
    &[
        Attribute::one_of("livemode", &LIVEMODES),
        Attribute::one_of(
            "reason",
            &["OTHER_ACCOUNT", "OTHER_MODE", "OBJECT_OF_OTHER_MODE", "OTHER_SALE", "SUBJECT_ERASED"],
        ),
    ],
);

/// Events of types without an effect.
pub const STRIPE_EVENTS_IGNORED: Definition = Definition::counter(
    "levqor.stripe.events.ignored",
    "{event}",
    "Stripe events that were ignored when they arrived, because events of their type need no action.",
    &[Attribute::known(
        "type",
        "the types that Stripe documents (for a thin event, its type without the prefix `v1.`), or `other`",
    )],
);

/// All metrics.
pub const ALL: &[Definition] =
    &[ORDERS_PAID, ORDERS_PAID_AMOUNT, STRIPE_EVENTS_NOT_OURS, STRIPE_EVENTS_IGNORED];

const CURRENCY: Attribute = Attribute::known("currency", "the currencies that Stripe settles in, or `OTHER`");

/// The modes of events, and the word for a mode that cannot be read.
const LIVEMODES: [&str; 3] = ["live", "test", "unknown"];
const VERDICTS: &[&str] = &["processed", "ignored", "retry", "quarantined"];
/// The currencies that we sell in. Their series exist from the start, so that the first order shows as an increase.
const SOLD_IN: &[&str] = &["GBP", "EUR", "USD"];
/// Other currencies that customers may pay in.
const OTHERS: &[&str] = &[
    "AED", "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "HKD", "HUF", "INR", "JPY", "MXN", "NOK", "NZD", "PLN",
    "RON", "SEK", "SGD", "THB", "ZAR",
];
const TIERS: &[Tier] = &[Tier::Starter, Tier::Professional, Tier::Enterprise];

/// The counters, bound once.
pub(crate) struct BillingMetrics {
    metrics: Metrics,
    verdicts: Vec<Count>,
    not_ours: [[Count; LIVEMODES.len()]; NotOurs::ALL.len()],
    /// By type, each bound at its first event.
    ignored: Mutex<HashMap<&'static str, Count>>,
}

impl BillingMetrics {
    /// Binds the counters.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let verdict = |verdict: &&'static str| {
            let journal = KeyValue::new("journal", "stripe_events");
            metrics.counter(&chassis::JOURNAL_VERDICTS, &[journal, KeyValue::new("verdict", *verdict)])
        };
        // Shown from the start, so that the metric is there before the first such event.
        let other = documented("");
        let ignored = metrics.counter(&STRIPE_EVENTS_IGNORED, &[KeyValue::new("type", other)]);
        let this = Self {
            metrics: metrics.clone(),
            verdicts: VERDICTS.iter().map(verdict).collect(),
            not_ours: NotOurs::ALL.map(|reason| {
                LIVEMODES.map(|livemode| {
                    let reason = KeyValue::new("reason", reason.as_str());
                    metrics.counter(&STRIPE_EVENTS_NOT_OURS, &[KeyValue::new("livemode", livemode), reason])
                })
            }),
            ignored: Mutex::new(HashMap::from([(other, ignored)])),
        };
        for &currency in SOLD_IN {
            this.amount(currency);
            for &tier in TIERS {
                drop(this.orders(currency, tier));
            }
        }
        this
    }

    /// Counts the verdicts on events, by the events' new state. Pending means retry.
    pub(crate) fn judged(&self, state: State, events: u64) {
        let place = match state {
            State::Processed => 0,
            State::Ignored => 1,
            State::Pending => 2,
            State::Quarantined => 3,
        };
        if let Some(count) = self.verdicts.get(place) {
            count.add(events);
        }
    }

    /// Counts an event that was ignored because it is not ours, by its mode.
    pub(crate) fn not_ours(&self, reason: NotOurs, livemode: Option<bool>) {
        let mode = match livemode {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        let of_reason = NotOurs::ALL.iter().zip(&self.not_ours).find(|(counted, _)| **counted == reason);
        if let Some(count) = of_reason.and_then(|(_, counts)| counts.get(mode)) {
            count.one();
        }
    }

    /// Counts an event that was ignored for its type.
    pub(crate) fn ignored(&self, event_type: &str) {
        let name = documented(event_type);
        let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        let count = ignored
            .entry(name)
            .or_insert_with(|| self.metrics.counter(&STRIPE_EVENTS_IGNORED, &[KeyValue::new("type", name)]));
        count.one();
    }

    /// Counts an order that became paid.
    pub(crate) fn paid(&self, amount: &Money, tier: Tier) {
        let mut known = SOLD_IN.iter().chain(OTHERS).copied();
        match known.find(|known| *known == amount.currency) {
            Some(currency) => {
                self.orders(currency, tier).one();
                self.amount(currency).add(amount.minor_units.unsigned_abs());
            }
            // The amounts of several currencies have no sum.
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
