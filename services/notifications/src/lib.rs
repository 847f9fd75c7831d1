#![doc = include_str!("../README.md")]

mod bounces;
mod capabilities;
mod checks;
pub mod config;
mod consent;
mod digests;
pub mod domain;
mod egress;
mod error;
pub mod fail_point;
mod guard;
mod links;
mod mail_health;
pub mod metrics;
mod operators;
mod pages;
pub mod provider;
mod recipients;
mod rpc;
mod store;
mod sweep_health;
mod uncalled;

use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use levqor_proto_mail::v1::{
    mail_service_server::MailServiceServer, operator_service_server::OperatorServiceServer,
};
use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, DeliverMessageRequest, DeliverOperatorNoticeRequest,
    PurgeProviderEventBodiesRequest, SweepDeliveryOutcomesRequest,
    consent_service_server::ConsentServiceServer, notifications_service_server::NotificationsServiceServer,
};
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    digest::Period,
    email::Email,
    fail_point::FailPoint,
    metrics::{Definition, KeyValue, Readings},
    objections::ObjectionChange,
    privacy::HoldChange,
    rpc::State,
    schedule::Schedule,
    service::{Capability, GivenUp, Recipient, Service, Tunnelled},
    telemetry::Fields,
    webhook::{Backlog, WebhookIntake},
};
use secrecy::ExposeSecret;
use sqlx::{PgConnection, migrate::Migrator};
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    domain::template::{Frame, Templates},
    links::Links,
    metrics::MailMetrics,
    operators::Operators,
    pages::Pages,
    provider::{Providers, resend::Resend},
    sweep_health::SweepHealth,
    uncalled::Uncalled,
};

pub use crate::error::Error;

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The state of the service, which its RPCs use.
pub struct Notifications {
    chassis: Chassis,
    config: Config,
    providers: Providers,
    templates: Templates,
    metrics: MailMetrics,
    webhooks: WebhookIntake,
    uncalled: Uncalled,
    operators: Operators,
    links: Links,
    pages: Pages,
    sweep_health: SweepHealth,
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
    const CALLS: &'static [&'static [u8]] =
        &[levqor_proto_inbound::FILE_DESCRIPTOR_SET, levqor_proto_law::FILE_DESCRIPTOR_SET];
    // Every other service: each may ask for a mail under a guard, and gives its lines for the reports.
    const ASKS: &'static [&'static str] = &["billing", "support", "compliance"];
    const FIELDS: Fields = Fields {
        events: &[
            "action",
            "channel",
            "doubt",
            "message.id",
            "message.outcome",
            "message.state",
            "message.template",
            "operator_notice.id",
            "operator_notice.kind",
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
        let sender_of = |kind| config.mail.senders.of(kind).clone();
        let frame = Frame {
            site: config.site.clone(),
            sender_of: &sender_of,
            company_address: config.company_address.clone(),
        };
        let templates = Templates::try_new(&frame).context("read and compile the mail templates")?;
        let providers = Providers::try_new(&config.mail, &chassis.db)?;
        let names = providers.iter().map(|placed| placed.provider.name());
        let metrics = MailMetrics::new(&chassis.metrics, names, templates.names());
        let keys = config.resend_webhook_keys.iter().map(ExposeSecret::expose_secret);
        let webhooks = WebhookIntake::new(&chassis, Resend::NAME, &config::RESEND_WEBHOOK_SECRET, keys);
        let links = Links::new(&config.address_key, config.api.clone());
        let pages = Pages::try_new(&config.site).context("compile the pages")?;
        let operators =
            Operators::try_new(&config.operators).context("make the clients of the operators' channels")?;
        Ok(Arc::new(Self {
            chassis,
            config,
            providers,
            templates,
            metrics,
            webhooks,
            uncalled: Uncalled::default(),
            operators,
            links,
            pages,
            sweep_health: SweepHealth::default(),
        }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(NotificationsServiceServer::new(rpc::Rpc(Arc::clone(self))));
        routes.add_service(MailServiceServer::new(rpc::Rpc(Arc::clone(self))));
        routes.add_service(ConsentServiceServer::new(rpc::Rpc(Arc::clone(self))));
        routes.add_service(OperatorServiceServer::new(rpc::Rpc(Arc::clone(self))));
    }

    fn tunnelled(self: &Arc<Self>, tunnelled: &mut Tunnelled) {
        tunnelled.add(self, rpc::ingest_resend_event);
    }

    fn schedules() -> Vec<Schedule> {
        let purge = || PurgeProviderEventBodiesRequest {};
        let sweep = SweepDeliveryOutcomesRequest::default;
        let (day, minutes) = (TimeDelta::days(1), TimeDelta::minutes(5));
        let own = [
            Schedule::new("purge_provider_event_bodies", day, day, purge),
            Schedule::new("sweep_delivery_outcomes", minutes, minutes, sweep),
        ];
        own.into_iter().chain(digests::schedules()).collect()
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
        } else if let Some(request) = call.request::<DeliverOperatorNoticeRequest>() {
            rpc::deliver_operator_notice::gave_up(self, tx, &request, call).await
        } else {
            Ok(())
        }
    }

    async fn digest(&self, conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
        digests::lines(conn, period).await
    }

    fn address_hash(&self, address: &Email) -> Option<Vec<u8>> {
        Some(self.config.address_key.hash(address).as_bytes().to_vec())
    }

    async fn objected(&self, tx: &mut Tx, change: &ObjectionChange) -> Result<(), DbError> {
        consent::objected(tx, change, |email| self.config.address_key.hash(email)).await
    }

    async fn held(&self, tx: &mut Tx, change: &HoldChange) -> Result<(), DbError> {
        consent::held(tx, change, |email| self.config.address_key.hash(email)).await
    }

    async fn journal(conn: &mut PgConnection) -> Result<Option<Backlog>, DbError> {
        store::provider_events::backlog(conn).await.map(Some)
    }

    fn capabilities(&self) -> Vec<Capability> {
        capabilities::capabilities(self)
    }

    fn recipients(config: &Config) -> Vec<Recipient> {
        recipients::recipients(config)
    }
}
