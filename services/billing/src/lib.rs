#![doc = include_str!("../README.md")]

mod advertising;
mod aftermath;
mod checkout;
mod checks;
mod config;
mod customer_deletions;
mod customers;
mod domain;
mod error;
pub mod fail_point;
mod flows;
mod intake;
mod journal;
mod mails;
pub mod metrics;
mod mirror;
mod operations;
mod operators;
mod order_files;
mod order_links;
mod order_mails;
mod order_steps;
mod privacy;
mod recipients;
mod refunding;
mod rpc;
mod screening;
mod store;
mod stripe;
mod stripe_health;
mod subscribing;
mod subscription_links;
mod withdrawing;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    AdvanceOrdersRequest, DeleteStripeCustomersRequest, FinishStripeOperationsRequest,
    PurgeStripeEventBodiesRequest, SweepOrderFilesRequest, billing_service_server::BillingServiceServer,
    checkout_service_server::CheckoutServiceServer, order_service_server::OrderServiceServer,
    refund_service_server::RefundServiceServer, subscription_service_server::SubscriptionServiceServer,
    withdrawal_service_server::WithdrawalServiceServer,
};
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    deferred::defer,
    digest::Period,
    fail_point::FailPoint,
    guard::{GuardError, Wanted},
    metrics::Definition,
    privacy::{Obstacle, Subject},
    rpc::State,
    schedule::Schedule,
    service::{Capability, Recipient, Service, Tunnelled, Workers},
    shared_commit::SharedCommit,
    site::SiteUrl,
    storage::Storage,
    telemetry::Fields,
    webhook::{Backlog, WebhookIntake},
};
use secrecy::ExposeSecret;
use sqlx::{PgConnection, migrate::Migrator};
use tokio::sync::Notify;
use tonic::service::RoutesBuilder;
use uuid::Uuid;

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
    /// `None`: deleted customers are not redacted.
    redactions: Option<stripe::Redactions>,
    stripe_health: stripe_health::StripeHealth,
    prices: config::Prices,
    /// `None`: the upgrade offer is off.
    promotion_code: Option<String>,
    /// Where the website is; links in mails lead there.
    site: SiteUrl,
    /// The content of files, and in words where it is. `None` if nothing is set: then no file can be uploaded.
    storage: Option<(Storage, &'static str)>,
    shop: config::Shop,
    /// Stripe has changed a price or a product: the prices are compared again.
    price_news: Arc<Notify>,
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
        events: &[
            "order.id",
            "refund.id",
            "stripe_event.id",
            "stripe_event.type",
            "subscription.id",
            "taken_up",
        ],
        spans: &["stripe_event.type"],
    };
    const METRICS: &'static [Definition] = metrics::ALL;
    const FAIL_POINTS: &'static [FailPoint] = fail_point::ALL;
    const CALLS: &'static [&'static [u8]] =
        &[levqor_proto_law::FILE_DESCRIPTOR_SET, levqor_proto_mail::FILE_DESCRIPTOR_SET];
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
        let redactions = config.redaction_version.zip(config.secret_key.clone());
        let redactions = redactions
            .map(|(version, key)| stripe::Redactions::try_new(key, &config.api_base, version))
            .transpose()
            .context("cannot make a client of Stripe's redaction jobs")?;
        let stripe = config.secret_key.map(|key| stripe::Stripe::try_new(&key, &config.api_base)).transpose();
        let stripe = stripe.context("cannot make a client of the Stripe API")?;
        let acts_on = config.acts_on;
        let intake = SharedCommit::new(&chassis.db, Insert);
        let metrics = metrics::BillingMetrics::new(&chassis.metrics);
        let storage = match &config.storage {
            Some(place) => Some((Storage::start(place).await?, place.in_words())),
            None => None,
        };
        let (stripe_health, prices, site) =
            (stripe_health::StripeHealth::default(), config.prices, config.site);
        let promotion_code = config.promotion_code;
        Ok(Arc::new(Self {
            chassis,
            webhooks,
            intake,
            metrics,
            acts_on,
            stripe,
            redactions,
            stripe_health,
            prices,
            promotion_code,
            site,
            storage,
            shop: config.shop,
            price_news: Arc::default(),
        }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        let rpc = rpc::Rpc(Arc::clone(self));
        routes.add_service(BillingServiceServer::new(rpc.clone()));
        routes.add_service(CheckoutServiceServer::new(rpc.clone()));
        routes.add_service(SubscriptionServiceServer::new(rpc.clone()));
        routes.add_service(RefundServiceServer::new(rpc.clone()));
        routes.add_service(WithdrawalServiceServer::new(rpc.clone()));
        routes.add_service(OrderServiceServer::new(rpc));
    }

    fn tunnelled(self: &Arc<Self>, tunnelled: &mut Tunnelled) {
        tunnelled.add(self, rpc::ingest_stripe_event);
    }

    fn capabilities(&self) -> Vec<Capability> {
        let webhooks = self.webhooks.capability("stripe_webhooks", "no event can be verified");
        let [refetch, prices] = if self.stripe.is_some() {
            [self.stripe_health.refetch(), self.stripe_health.prices(&self.prices)]
        } else {
            let reason = "STRIPE_SECRET_KEY is not set: orders follow the events' own objects, so they may differ from Stripe";
            let off = Capability::off("stripe_prices", "STRIPE_SECRET_KEY is not set");
            [Capability::off("stripe_refetch", reason), off]
        };
        let missing = ["dunning", "invoices", "credits", "reconciliation", "revenue_figures"];
        let missing = missing.map(|name| Capability::off(name, "not part of this version"));
        let mode = Capability::on("stripe_mode", self.acts_on.to_string());
        let files = match self.storage {
            Some((_, place)) => {
                Capability::on("order_files", format!("files of orders are stored in {place}"))
            }
            None => Capability::off(
                "order_files",
                "neither LEVQOR_STORAGE_DIR nor LEVQOR_STORAGE_S3_BUCKET is set: no file can be uploaded",
            ),
        };
        let offer = match self.promotion_code {
            Some(_) => Capability::on("upgrade_offer", "Starter customers who agreed to offers get one"),
            None => Capability::off("upgrade_offer", "LEVQOR_UPSELL_PROMOTION_CODE is not set"),
        };
        let own = [webhooks, refetch, prices, mode, files, offer];
        own.into_iter().chain(self.shop()).chain(self.customer_deletions()).chain(missing).collect()
    }

    fn recipients(config: &Config) -> Vec<Recipient> {
        recipients::recipients(config)
    }

    fn schedules() -> Vec<Schedule> {
        let purge = || PurgeStripeEventBodiesRequest {};
        let finish = || FinishStripeOperationsRequest {};
        let advance = || AdvanceOrdersRequest {};
        let sweep = || SweepOrderFilesRequest {};
        let delete = || DeleteStripeCustomersRequest {};
        let minute = TimeDelta::minutes(1);
        vec![
            Schedule::new("purge_stripe_event_bodies", TimeDelta::days(1), TimeDelta::days(1), purge),
            Schedule::new("finish_stripe_operations", minute, minute, finish),
            Schedule::new("delete_stripe_customers", minute, minute, delete),
            Schedule::new("advance_orders", TimeDelta::minutes(10), TimeDelta::minutes(10), advance),
            Schedule::new("sweep_order_files", TimeDelta::hours(1), TimeDelta::hours(1), sweep),
        ]
    }

    fn workers(self: &Arc<Self>, workers: &mut Workers) {
        workers.add(Journal::new(Arc::clone(self)));
        if self.stripe.is_some() {
            let billing = Arc::clone(self);
            workers.again(move || {
                let billing = Arc::clone(&billing);
                async move {
                    let valid = billing.measure_stripe().await;
                    // If Stripe reports a change of a price or product, everything is measured again at once.
                    let _ = tokio::time::timeout(valid, billing.price_news.notified()).await;
                    Duration::ZERO
                }
            });
        }
    }

    fn checks(config: &Config, _: Option<&DatabaseUrl>) -> Vec<Check> {
        checks::checks(config)
    }

    async fn digest(&self, conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
        operators::digest(conn, period).await
    }

    async fn still_wanted(&self, subject: &str) -> Result<Wanted, GuardError> {
        flows::still_wanted(&mut *self.chassis.db.acquire().await?, subject).await
    }

    fn files(&self) -> Option<&Storage> {
        self.storage.as_ref().map(|(storage, _)| storage)
    }

    async fn obstacles(&self, conn: &mut PgConnection, subject: &Subject) -> Result<Vec<Obstacle>, DbError> {
        privacy::obstacles(conn, subject, self.stripe.is_some()).await
    }

    async fn erased(&self, tx: &mut Tx, erasure_id: Uuid, subject: &Subject) -> Result<(), DbError> {
        customer_deletions::request(tx, erasure_id, subject).await?;
        defer(tx, &SweepOrderFilesRequest {}, format!("sweep-order-files:erasure:{erasure_id}")).await
    }

    async fn journal(conn: &mut PgConnection) -> Result<Option<Backlog>, DbError> {
        store::stripe_events::backlog(conn).await.map(Some)
    }
}

impl Billing {
    /// Whether things can be sold, changed and refunded.
    fn shop(&self) -> Vec<Capability> {
        if self.stripe.is_none() {
            let off = |name| Capability::off(name, "STRIPE_SECRET_KEY is not set");
            return vec![off("checkout"), off("subscriptions"), off("refunds"), off("withdrawal")];
        }
        let checkout = if self.shop.terms_version.is_none() {
            Capability::off("checkout", "LEVQOR_TERMS_VERSION is not set")
        } else if self.prices.is_empty() {
            Capability::off("checkout", "no STRIPE_PRICE_… is set")
        } else {
            Capability::on("checkout", "customers buy on Stripe's pages")
        };
        vec![
            checkout,
            Capability::on("subscriptions", "mirrored by refetch; customers change, cancel and resume them"),
            Capability::on("refunds", "staff give money back; refunds made at Stripe are mirrored"),
            Capability::on("withdrawal", "customers withdraw from orders and subscriptions within 14 days"),
        ]
    }

    /// What becomes of the customers of erased people at Stripe.
    fn customer_deletions(&self) -> Vec<Capability> {
        let deletion = if self.stripe.is_some() {
            Capability::on("stripe_customer_deletion", "an erasure ends with the customer at Stripe")
        } else {
            let reason =
                "STRIPE_SECRET_KEY is not set: the erasure of a person who has a customer at Stripe waits";
            Capability::off("stripe_customer_deletion", reason)
        };
        let redaction = match (&self.redactions, &self.stripe) {
            (Some(_), _) => Capability::on(
                "stripe_redaction",
                "deleted customers are redacted as soon as Stripe allows it",
            ),
            (None, Some(_)) => {
                Capability::off("stripe_redaction", "LEVQOR_STRIPE_REDACTION_VERSION is not set")
            }
            (None, None) => Capability::off("stripe_redaction", "STRIPE_SECRET_KEY is not set"),
        };
        vec![deletion, redaction]
    }

    /// Measures Stripe's health. Returns how long the result is valid.
    async fn measure_stripe(&self) -> Duration {
        // Without a key there is nothing to measure.
        let Some(stripe) = &self.stripe else { return Duration::MAX };
        self.stripe_health.measure(stripe, &self.prices, self.chassis.clock.now()).await
    }
}
