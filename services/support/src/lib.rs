#![doc = include_str!("../README.md")]

mod assistant;
mod capabilities;
mod checks;
pub mod config;
mod conversations;
mod customers;
mod domain;
mod drafting;
mod error;
pub mod evaluation;
mod facts;
mod forms;
mod hand_off;
mod inbound;
mod leads;
mod library;
pub mod metrics;
mod model;
mod operators;
mod own_data;
mod pages;
mod plans;
mod randomness;
mod recipients;
mod rpc;
mod screening;
mod status_mails;
mod store;
mod surveys;
mod ticket_mails;
mod tickets;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{NaiveTime, TimeDelta};
use levqor_proto_inbound::v1::inbound_mail_service_server::InboundMailServiceServer;
use levqor_proto_support::v1::{
    FetchTicketFileRequest, MeasureComponentsRequest, SweepTicketsRequest,
    article_service_server::ArticleServiceServer, canned_reply_service_server::CannedReplyServiceServer,
    complaint_service_server::ComplaintServiceServer, conversation_service_server::ConversationServiceServer,
    customer_service_server::CustomerServiceServer, incident_service_server::IncidentServiceServer,
    lead_service_server::LeadServiceServer,
    status_subscription_service_server::StatusSubscriptionServiceServer,
    survey_service_server::SurveyServiceServer, ticket_service_server::TicketServiceServer,
};
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    digest::Period,
    guard::{GuardError, Wanted},
    metrics::{Definition, Readings},
    objections::{ObjectionChange, ObjectionScope},
    rpc::State,
    schedule::Schedule,
    service::{Capability, GivenUp, Recipient, Service, Workers},
    storage::Storage,
};
use sqlx::{PgConnection, migrate::Migrator};
use tonic::service::RoutesBuilder;

use crate::{
    config::Config,
    domain::{
        business_hours::BusinessHours, inbound::AutomaticRules, mail_text::QuoteRules, own_data::OwnPhrases,
        step::Signals, wording::Wordings,
    },
    facts::FactSheet,
    library::Library,
    metrics::{Step, SupportMetrics},
    model::Model,
    pages::Pages,
};

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// How long to wait before the articles are stored again, after the database did not answer.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// The state of the service, which its RPCs use.
pub struct Support {
    chassis: Chassis,
    config: Config,
    library: Library,
    facts: FactSheet,
    signals: Signals,
    own_phrases: OwnPhrases,
    wordings: Wordings,
    hours: BusinessHours,
    quote_rules: QuoteRules,
    automatic_mail: AutomaticRules,
    storage: Option<Storage>,
    pages: Pages,
    metrics: SupportMetrics,
    /// None if there is no key.
    model: Option<Model>,
}

impl State for Support {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Support {
    const NAME: &'static str = "support";
    const DESCRIPTORS: &'static [&'static [u8]] =
        &[levqor_proto_support::FILE_DESCRIPTOR_SET, levqor_proto_inbound::FILE_DESCRIPTOR_SET];
    const CALLS: &'static [&'static [u8]] = &[
        levqor_proto_billing::FILE_DESCRIPTOR_SET,
        levqor_proto_law::FILE_DESCRIPTOR_SET,
        levqor_proto_mail::FILE_DESCRIPTOR_SET,
        levqor_proto_notifications::FILE_DESCRIPTOR_SET,
    ];
    const METRICS: &'static [Definition] = metrics::ALL;
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

    async fn build(mut config: Config, chassis: Chassis) -> anyhow::Result<Arc<Self>> {
        let library = Library::try_new().context("read the articles")?;
        let facts = FactSheet::try_new(&config).context("read the rules that articles name")?;
        let holidays = include_str!("../data/bank-holidays.csv");
        let hours = BusinessHours::read(holidays).context("read the bank holidays")?;
        let pages = Pages::try_new(&config.site).context("compile the pages")?;
        let metrics = SupportMetrics::new(&chassis.metrics);
        let (signals, wordings) = (Signals::shipped(), Wordings::shipped());
        let model = config.model.take().map(Model::try_new).transpose();
        let model = model.context("make a client of the language model's API")?;
        let (quote_rules, automatic_mail) = (QuoteRules::shipped(), AutomaticRules::shipped());
        let storage = match &config.storage {
            Some(place) => Some(Storage::start(place).await?),
            None => None,
        };
        Ok(Arc::new(Self {
            chassis,
            config,
            library,
            facts,
            signals,
            own_phrases: OwnPhrases::shipped(),
            wordings,
            hours,
            quote_rules,
            automatic_mail,
            storage,
            pages,
            metrics,
            model,
        }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        let rpc = rpc::Rpc(Arc::clone(self));
        routes.add_service(ConversationServiceServer::new(rpc.clone()));
        routes.add_service(ArticleServiceServer::new(rpc.clone()));
        routes.add_service(TicketServiceServer::new(rpc.clone()));
        routes.add_service(InboundMailServiceServer::new(rpc.clone()));
        routes.add_service(LeadServiceServer::new(rpc.clone()));
        routes.add_service(ComplaintServiceServer::new(rpc.clone()));
        routes.add_service(IncidentServiceServer::new(rpc.clone()));
        routes.add_service(SurveyServiceServer::new(rpc.clone()));
        routes.add_service(CannedReplyServiceServer::new(rpc.clone()));
        routes.add_service(CustomerServiceServer::new(rpc.clone()));
        routes.add_service(StatusSubscriptionServiceServer::new(rpc));
    }

    fn files(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    fn capabilities(&self) -> Vec<Capability> {
        capabilities::capabilities(self)
    }

    fn recipients(config: &Config) -> Vec<Recipient> {
        recipients::recipients(config)
    }

    fn checks(config: &Config, _database: Option<&DatabaseUrl>) -> Vec<Check> {
        checks::checks(config)
    }

    fn schedules() -> Vec<Schedule> {
        let minute = TimeDelta::minutes(1);
        vec![
            Schedule::new("sweep_tickets", minute, minute, || SweepTicketsRequest {}),
            Schedule::new("measure_components", minute, minute, || MeasureComponentsRequest {}),
        ]
    }

    fn workers(self: &Arc<Self>, workers: &mut Workers) {
        let support = Arc::clone(self);
        workers.again(move || {
            let support = Arc::clone(&support);
            async move {
                match support.library.ready(&support.chassis.db).await {
                    Ok(()) => Duration::MAX,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the articles are not stored yet");
                        STORE_AGAIN
                    }
                }
            }
        });
    }

    async fn measure(&self, conn: &mut PgConnection, readings: &mut Readings) -> Result<(), DbError> {
        let overdue = store::tickets::overdue_count(conn).await?;
        readings.count(&metrics::FIRST_REPLIES_OVERDUE, &[], overdue);
        if let Some(last) = self.hours.last_holiday() {
            readings.instant(&metrics::LAST_HOLIDAY, &[], last.and_time(NaiveTime::MIN).and_utc());
        }
        Ok(())
    }

    async fn gave_up(&self, tx: &mut Tx, call: &GivenUp<'_>) -> Result<(), DbError> {
        match call.request::<FetchTicketFileRequest>() {
            Some(request) => rpc::fetch_ticket_file::gave_up(tx, &request).await,
            None => Ok(()),
        }
    }

    async fn objected(&self, tx: &mut Tx, change: &ObjectionChange) -> Result<(), DbError> {
        if change.scope == ObjectionScope::Profiling && change.stands {
            for email in &change.emails {
                store::leads::forget_scores(tx, email.as_str()).await?;
            }
        }
        Ok(())
    }

    async fn still_wanted(&self, subject: &str) -> Result<Wanted, GuardError> {
        leads::still_wanted(self, subject).await
    }

    async fn digest(&self, conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
        operators::digest(conn, period).await
    }
}

impl Support {
    /// Counts a step of a ticket once the transaction is committed.
    fn count(&self, tx: &mut Tx, step: Step) {
        let metrics = self.metrics.clone();
        tx.after_commit(move || metrics.step(step));
    }
}
