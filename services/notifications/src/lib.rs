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
use levqor_proto_mail::v1::mail_service_server::MailServiceServer;
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
    metrics::{Definition, KeyValue, Readings},
    rpc::State,
    schedule::Schedule,
    service::{Capability, GivenUp, Service, Tunnelled},
    telemetry::Fields,
    webhook::{Backlog, WebhookIntake},
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

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The state of the service, which its RPCs use.
pub struct Notifications {
    chassis: Chassis,
    config: Config,
    provider: Provider,
    mail_health: MailHealth,
    templates: Templates,
    metrics: MailMetrics,
    webhooks: WebhookIntake,
    uncalled: Uncalled,
}

impl State for Notifications {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Notifications {
    const NAME: &'static str = "notifications";
    const DESCRIPTORS: &'static [&'static [u8]] =
        &[levqor_proto_notifications::FILE_DESCRIPTOR_SET, levqor_proto_mail::FILE_DESCRIPTOR_SET];
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
        let templates = Templates::try_new(&config.site, &config.sender)
            .context("read and compile the mail templates")?;
        let provider = if let Some(key) = config.resend_key.clone() {
            let resend = Resend::try_new(key, &config.resend_base, config.resend_key_hours);
            Provider::Resend(resend.context("make the client of Resend's API")?)
        } else {
            tracing::warn!("mail goes into the local mailbox, and to nobody: no provider sends it out");
            Provider::Mailbox(Mailbox::new(chassis.db.clone()))
        };
        let metrics = MailMetrics::new(&chassis.metrics, provider.name(), templates.names());
        let keys = config.resend_webhook_keys.iter().map(ExposeSecret::expose_secret);
        let webhooks = WebhookIntake::new(&chassis, Resend::NAME, &config::RESEND_WEBHOOK_SECRET, keys);
        let uncalled = Uncalled::default();
        Ok(Arc::new(Self {
            chassis,
            config,
            provider,
            mail_health: MailHealth::default(),
            templates,
            metrics,
            webhooks,
            uncalled,
        }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(NotificationsServiceServer::new(rpc::Rpc(Arc::clone(self))));
        routes.add_service(MailServiceServer::new(rpc::Rpc(Arc::clone(self))));
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

    async fn journal(conn: &mut PgConnection) -> Result<Option<Backlog>, DbError> {
        store::provider_events::backlog(conn).await.map(Some)
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
        let webhooks = self.webhooks.capability("resend_webhooks", "bounces are not known");
        vec![mailbox, resend, webhooks, Capability::off("mail_smtp", "not part of this version")]
    }
}

/// Says how mail goes out: the text of the capability for staff.
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
