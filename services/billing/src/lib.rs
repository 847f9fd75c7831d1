#![doc = include_str!("../README.md")]

mod checks;
mod config;
mod domain;
mod error;
pub mod fail_point;
mod intake;
mod journal;
pub mod metrics;
mod rpc;
mod store;
mod stripe;
mod stripe_health;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::TimeDelta;
use levqor_proto_billing::v1::{PurgeStripeEventBodiesRequest, billing_service_server::BillingServiceServer};
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError},
    fail_point::FailPoint,
    metrics::Definition,
    rpc::State,
    schedule::Schedule,
    service::{Capability, Service, Tunnelled, Workers},
    shared_commit::SharedCommit,
    telemetry::Fields,
    webhook::{Backlog, WebhookIntake},
};
use secrecy::ExposeSecret;
use sqlx::{PgConnection, migrate::Migrator};
use tonic::service::RoutesBuilder;

pub use config::Config;
use domain::stripe_event::ActsOn;
use intake::Insert;
pub use journal::Journal;
pub use store::leases::Lease;

static MIGRATOR: Migrator = sqlx::migrate!();

/// The billing service: the state of its RPCs and its journal.
pub struct Billing {
    chassis: Chassis,
    webhooks: WebhookIntake,
    intake: SharedCommit<Insert>,
    metrics: metrics::BillingMetrics,
    /// The modes whose events billing acts on.
    acts_on: ActsOn,
    /// `None` without a key: then billing trusts the object in the event.
    stripe: Option<stripe::Stripe>,
    stripe_health: stripe_health::StripeHealth,
    prices: config::Prices,
}

impl State for Billing {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Billing {
    const NAME: &'static str = "billing";
    const DESCRIPTORS: &'static [&'static [u8]] = &[levqor_proto_billing::FILE_DESCRIPTOR_SET];
    const FIELDS: Fields = Fields {
        events: &["order.id", "stripe_event.id", "stripe_event.type", "subscription.id", "taken_up"],
        spans: &["stripe_event.type"],
    };
    const METRICS: &'static [Definition] = metrics::ALL;
    const FAIL_POINTS: &'static [FailPoint] = fail_point::ALL;
    const CALLS: &'static [&'static [u8]] = &[levqor_proto_mail::FILE_DESCRIPTOR_SET];
    type Config = Config;

    fn settings() -> Vec<Setting> {
        config::settings()
    }

    fn config(reader: &mut Reader<'_>) -> Option<Config> {
        config::read(reader)
    }

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn build(config: Config, chassis: Chassis) -> anyhow::Result<Arc<Self>> {
        let secrets = config.webhook_secrets.iter().map(ExposeSecret::expose_secret);
        let webhooks = WebhookIntake::new(&chassis, "stripe", &config::WEBHOOK_SECRET, secrets);
        let stripe = config.secret_key.map(|key| stripe::Stripe::try_new(&key, &config.api_base)).transpose();
        let stripe = stripe.context("cannot make a client of the Stripe API")?;
        let acts_on = config.acts_on;
        let intake = SharedCommit::new(&chassis.db, Insert);
        let metrics = metrics::BillingMetrics::new(&chassis.metrics);
        let (stripe_health, prices) = (stripe_health::StripeHealth::default(), config.prices);
        Ok(Arc::new(Self { chassis, webhooks, intake, metrics, acts_on, stripe, stripe_health, prices }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(BillingServiceServer::new(rpc::Rpc(Arc::clone(self))));
    }

    fn tunnelled(self: &Arc<Self>, tunnelled: &mut Tunnelled) {
        tunnelled.add(self, rpc::ingest_stripe_event);
    }

    fn capabilities(&self) -> Vec<Capability> {
        let webhooks = self.webhooks.capability("stripe_webhooks", "no event can be verified");
        let [refetch, prices] = if self.stripe.is_some() {
            [self.stripe_health.refetch(), self.stripe_health.prices(&self.prices)]
        } else {
            let reason = "STRIPE_SECRET_KEY is not set: orders follow the events' own objects, and convergence is not claimed";
            let off = Capability::off("stripe_prices", "STRIPE_SECRET_KEY is not set");
            [Capability::off("stripe_refetch", reason), off]
        };
        let missing = ["checkout", "subscriptions", "dunning", "refunds", "reconciliation"];
        let missing = missing.map(|name| Capability::off(name, "not part of this version"));
        let mode = Capability::on("stripe_mode", self.acts_on.to_string());
        [webhooks, refetch, prices, mode].into_iter().chain(missing).collect()
    }

    fn schedules() -> Vec<Schedule> {
        let purge = || PurgeStripeEventBodiesRequest {};
        vec![Schedule::new("purge_stripe_event_bodies", TimeDelta::days(1), TimeDelta::days(1), purge)]
    }

    fn workers(self: &Arc<Self>, workers: &mut Workers) {
        workers.add(Journal::new(Arc::clone(self)));
        if self.stripe.is_some() {
            let billing = Arc::clone(self);
            workers.again(move || {
                let billing = Arc::clone(&billing);
                async move { billing.measure_stripe().await }
            });
        }
    }

    fn checks(config: &Config, _: Option<&DatabaseUrl>) -> Vec<Check> {
        checks::checks(config)
    }

    async fn journal(conn: &mut PgConnection) -> Result<Option<Backlog>, DbError> {
        store::stripe_events::backlog(conn).await.map(Some)
    }
}

impl Billing {
    /// Measures Stripe's health. Returns how long the result is valid.
    async fn measure_stripe(&self) -> Duration {
        // Without a key there is nothing to measure.
        let Some(stripe) = &self.stripe else { return Duration::MAX };
        self.stripe_health.measure(stripe, &self.prices, self.chassis.clock.now()).await
    }
}
