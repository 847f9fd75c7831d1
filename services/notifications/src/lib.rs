#![doc = include_str!("../README.md")]

mod checks;
pub mod config;
pub mod domain;
mod error;
pub mod fail_point;
mod mail_health;
pub mod metrics;
pub mod provider;
mod rpc;
mod store;
mod uncalled;

use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, DeliverMessageRequest, PurgeProviderEventBodiesRequest,
    notifications_service_server::NotificationsServiceServer,
};
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    fail_point::FailPoint,
    metrics::{Definition, KeyValue, Readings, chassis as of_chassis},
    rpc::State,
    schedule::Schedule,
    service::{Capability, GivenUp, JournalDepth, Service, Tunnelled},
    telemetry::Fields,
    webhook::{Verifier, WebhookMetrics},
};
use secrecy::ExposeSecret;
use sqlx::{PgConnection, migrate::Migrator};
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    domain::{delivery::KeyHours, template::Templates},
    mail_health::MailHealth,
    metrics::MailMetrics,
    provider::{Provider, mailbox::Mailbox, resend::Resend},
    uncalled::Uncalled,
};

pub use crate::error::Error;

/// This service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The service: what its RPCs work with.
pub struct Notifications {
    chassis: Chassis,
    config: Config,
    provider: Provider,
    mail_health: MailHealth,
    templates: Templates,
    metrics: MailMetrics,
    /// None without a secret: then no webhook is taken.
    webhooks: Option<Verifier>,
    webhook_metrics: WebhookMetrics,
    uncalled: Uncalled,
}

impl State for Notifications {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Notifications {
    const NAME: &'static str = "notifications";
    const DESCRIPTORS: &'static [u8] = levqor_proto_notifications::FILE_DESCRIPTOR_SET;
    const FIELDS: Fields = Fields {
        events: &[
            "action",
            "doubt",
            "message.id",
            "message.outcome",
            "message.state",
            "message.template",
            "provider_event.id",
            "provider_event.type",
        ],
        spans: &[],
    };
    const METRICS: &'static [Definition] = metrics::ALL;
    const FAIL_POINTS: &'static [FailPoint] = fail_point::ALL;
    type Config = Config;

    fn settings() -> Vec<Setting> {
        Config::settings()
    }

    fn config(reader: &mut Reader<'_>) -> Option<Config> {
        Config::read(reader)
    }

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn build(config: Config, chassis: Chassis) -> anyhow::Result<Arc<Self>> {
        let templates =
            Templates::try_new(&config.site, &config.sender).context("compile the mail templates")?;
        let provider = if let Some(key) = config.resend_key.clone() {
            let resend = Resend::try_new(key, &config.resend_base, config.resend_key_hours);
            Provider::Resend(resend.context("make the client of Resend's API")?)
        } else {
            tracing::warn!("mail goes into the local mailbox, and to nobody: no provider sends it out");
            Provider::Mailbox(Mailbox::new(chassis.db.clone()))
        };
        let metrics = MailMetrics::new(&chassis.metrics, provider.name());
        let keys = &config.resend_webhook_keys;
        let webhooks =
            (!keys.is_empty()).then(|| Verifier::new(keys.iter().map(ExposeSecret::expose_secret)));
        let webhook_metrics = WebhookMetrics::new(&chassis.metrics, Resend::NAME, keys.len());
        let uncalled = Uncalled::default();
        Ok(Arc::new(Self {
            chassis,
            config,
            provider,
            mail_health: MailHealth::default(),
            templates,
            metrics,
            webhooks,
            webhook_metrics,
            uncalled,
        }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(NotificationsServiceServer::new(rpc::Rpc(Arc::clone(self))));
    }

    fn tunnelled(self: &Arc<Self>, tunnelled: &mut Tunnelled) {
        tunnelled.add(self, rpc::ingest_resend_event);
    }

    fn schedules() -> Vec<Schedule> {
        let purge = || PurgeProviderEventBodiesRequest {};
        vec![Schedule::new("purge_provider_event_bodies", TimeDelta::days(1), TimeDelta::days(1), purge)]
    }

    async fn measure(&self, conn: &mut PgConnection, readings: &mut Readings) -> Result<(), DbError> {
        for unsettled in store::messages::unsettled(conn).await? {
            let state = [KeyValue::new("state", unsettled.state)];
            readings.count(&metrics::UNSETTLED, &state, unsettled.count);
            readings.seconds(&metrics::UNSETTLED_AGE, &state, unsettled.oldest_age_s);
        }
        let backlog = store::provider_events::backlog(conn).await?;
        let journal = KeyValue::new("journal", "provider_events");
        for (state, count) in [("pending", backlog.pending), ("quarantined", backlog.quarantined)] {
            readings.count(
                &of_chassis::JOURNAL_DEPTH,
                &[journal.clone(), KeyValue::new("state", state)],
                count,
            );
        }
        if let Some(last) = backlog.last_receive_time {
            readings.instant(&of_chassis::JOURNAL_LAST, &[journal], last);
        }
        Ok(())
    }

    fn checks(config: &Config, database: Option<&DatabaseUrl>) -> Vec<Check> {
        checks::checks(config, database)
    }

    async fn gave_up(&self, tx: &mut Tx, call: &GivenUp<'_>) -> Result<(), DbError> {
        if let Some(request) = call.request::<DeliverMessageRequest>() {
            rpc::deliver_message::gave_up(self, tx, &request, call).await
        } else if let Some(request) = call.request::<ApplyProviderEventRequest>() {
            rpc::apply_provider_event::gave_up(self, tx, &request, call).await
        } else {
            Ok(())
        }
    }

    async fn journal(&self) -> Result<JournalDepth, DbError> {
        let backlog = store::provider_events::backlog(&mut *self.chassis.db.acquire().await?).await?;
        Ok(JournalDepth { pending: backlog.pending, quarantined: backlog.quarantined })
    }

    fn capabilities(&self) -> Vec<Capability> {
        let [mailbox, resend] = match &self.provider {
            Provider::Mailbox(_) => [
                Capability::on("mail_mailbox", "mail stays in the local mailbox; no provider sends it out"),
                MailHealth::off(),
            ],
            Provider::Resend(resend) => [
                Capability::off("mail_mailbox", "RESEND_API_KEY is set: mail goes out"),
                self.mail_health.capability(says_how(resend.key_hours())),
            ],
        };
        let webhooks = match self.webhooks.as_ref().map(Verifier::secrets) {
            None => {
                Capability::off("resend_webhooks", "RESEND_WEBHOOK_SECRET is not set: bounces are not known")
            }
            Some(1) => Capability::on("resend_webhooks", "1 live secret"),
            Some(several) => Capability::on("resend_webhooks", format!("{several} live secrets")),
        };
        vec![mailbox, resend, webhooks, Capability::off("mail_smtp", "not part of this version")]
    }
}

/// What staff have to know about mail that goes out.
fn says_how(key_hours: KeyHours) -> String {
    match key_hours.get() {
        0 => "mail goes out through the API at RESEND_API_BASE, which honours no idempotency keys: what it may have taken \
              waits IN_DOUBT for a person"
            .to_owned(),
        hours => format!(
            "mail goes out through the API at RESEND_API_BASE, under keys that it honours for {hours} hours"
        ),
    }
}
