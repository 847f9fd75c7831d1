//! Billing without its server and its worker. The test itself claims and processes events.

use std::sync::Arc;

use levqor_billing::{Billing, Journal};
use levqor_runtime::{
    chassis::Chassis,
    client::Channels,
    clock::Clock,
    config::{Env, Reader},
    db::{DatabaseUrl, Db},
    install_crypto,
    metrics::Metrics,
    service::Service,
    tasks::Tasks,
    testing::{self, MESH_KEY, advance, eventually},
    token::{MeshKeys, ServiceTokens},
    wakes::Wakes,
    work::{LEASE, Source},
};
use serde_json::Value;

use super::SECRET;

/// Billing without a server or a worker.
pub(crate) struct Idle {
    url: DatabaseUrl,
    pub(crate) db: Db,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
}

impl Idle {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_at(testing::database::<Billing>().await, settings).await
    }

    /// Another process with other settings on the same database.
    pub(crate) async fn restart(&self, settings: &[(&str, &str)]) -> Self {
        Self::start_at(self.url.clone(), settings).await
    }

    async fn start_at(url: DatabaseUrl, settings: &[(&str, &str)]) -> Self {
        install_crypto();
        let settings =
            [&[("STRIPE_WEBHOOK_SECRET", SECRET), ("LEVQOR_STRIPE_LIVEMODE", "false")], settings].concat();
        let config = testing::config::<Billing>(&url, &settings).own;
        let (clock, wakes) = (Clock::default(), Wakes::default());
        let keys = Env::from_pairs([("LEVQOR_MESH_KEY", MESH_KEY)]);
        let keys = MeshKeys::read(&mut Reader::new(&keys)).expect("keys");
        let db = Db::new(&url, Billing::NAME, 8, wakes.clone(), keys.pseudonyms());
        let chassis = Chassis {
            service: Billing::NAME,
            db: db.clone(),
            channels: Channels::default(),
            tokens: Arc::new(ServiceTokens::new(&keys, clock.clone())),
            tasks: Tasks::default(),
            wakes,
            clock: clock.clone(),
            metrics: Metrics::new(Billing::NAME),
        };
        let billing = Billing::build(config, chassis).await.expect("billing");
        Self { url, db, journal: Journal::new(billing), clock }
    }

    /// Prepares billing with a key, and with Stripe's API at this address.
    pub(crate) async fn start_with_stripe(base: &str) -> Self {
        Self::start(&[("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_API_BASE", base)]).await
    }

    /// Stores an event as `IngestStripeEvent` would, under this lease key.
    pub(crate) async fn store(&self, event: &Value, lease_key: &str) {
        sqlx::query(
            "INSERT INTO stripe_events (event_id, create_time, type, livemode, object_id, lease_key, body)
             VALUES ($1, to_timestamp($2), $3, false, $4, $5, $6)",
        )
        .bind(event["id"].as_str())
        .bind(event["created"].as_i64())
        .bind(event["type"].as_str())
        .bind(event["data"]["object"]["id"].as_str())
        .bind(lease_key)
        .bind(event.to_string().into_bytes())
        .execute(self.db.pool())
        .await
        .expect("stored");
    }

    /// Advances the time until the leases of killed workers have expired.
    pub(crate) async fn outlive_leases(&self) {
        advance(&self.db, chrono::TimeDelta::from_std(LEASE).expect("a lease")).await;
    }

    /// Claims and processes the due events once.
    pub(crate) async fn work(&self) {
        for lease in self.journal.claim(10).await.expect("claimed") {
            self.journal.process(lease).await;
        }
    }

    /// An event's state, attempts and failure.
    pub(crate) async fn event(&self, event_id: &str) -> (String, i32, String) {
        sqlx::query_as("SELECT state, attempts, coalesce(failure, '') FROM stripe_events WHERE event_id = $1")
            .bind(event_id)
            .fetch_one(self.db.pool())
            .await
            .expect("an event")
    }

    pub(crate) async fn count(&self, rows: &str) -> i64 {
        testing::count(&self.db, rows).await
    }

    /// Waits until the count of these rows is `count`.
    pub(crate) async fn until(&self, rows: &str, count: i64) {
        eventually(rows, || async { (self.count(rows).await == count).then_some(()) }).await;
    }

    pub(crate) async fn execute(&self, sql: &str) {
        testing::execute(&self.db, sql).await;
    }
}
