#![doc = include_str!("../README.md")]

pub mod config;
pub mod domain;
mod error;
pub mod provider;
mod rpc;
mod store;

use std::sync::Arc;

use anyhow::Context;
use levqor_proto::notifications::v1::notifications_service_server::NotificationsServiceServer;
use levqor_runtime::{
    chassis::Chassis,
    config::{Reader, Setting},
    rpc::State,
    service::{Capability, Service},
};
use sqlx::migrate::Migrator;
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    domain::template::Templates,
    provider::{Provider, mailbox::Mailbox},
};

pub use crate::error::Error;

/// This service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The service: what its RPCs work with.
pub struct Notifications {
    chassis: Chassis,
    config: Config,
    provider: Provider,
    templates: Templates,
}

impl State for Notifications {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Notifications {
    const NAME: &'static str = "notifications";
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
        tracing::warn!("mail goes into the local mailbox, and to nobody: no provider sends it out");
        let provider = Provider::Mailbox(Mailbox::new(chassis.db.clone()));
        Ok(Arc::new(Self { chassis, config, provider, templates }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        routes.add_service(NotificationsServiceServer::new(rpc::Rpc(Arc::clone(self))));
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![
            Capability::on("mail_mailbox", "mail stays in the local mailbox; no provider sends it out"),
            Capability::off("mail_resend", "not part of this version"),
            Capability::off("mail_smtp", "not part of this version"),
        ]
    }
}
