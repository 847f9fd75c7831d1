#![doc = include_str!("../README.md")]

mod archives;
mod bodies;
mod capabilities;
mod chains;
mod checks;
mod codes;
pub mod config;
mod declaring;
mod domain;
mod drive;
mod erasing;
mod error;
mod evidence;
mod exports;
pub mod fail_point;
mod forms;
mod holding;
mod legal;
mod mails;
pub mod metrics;
mod operators;
mod pages;
mod peers;
mod privacy_complaints;
mod requests;
mod rpc;
mod store;

use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use levqor_proto_compliance::v1::{
    CheckAuditChainsRequest, EnforceRetentionRequest, SweepDataRequestsRequest,
    audit_service_server::AuditServiceServer, breach_service_server::BreachServiceServer,
    consent_ledger_service_server::ConsentLedgerServiceServer,
    data_request_service_server::DataRequestServiceServer,
    legal_document_service_server::LegalDocumentServiceServer,
    legal_hold_service_server::LegalHoldServiceServer, objection_service_server::ObjectionServiceServer,
    privacy_complaint_service_server::PrivacyComplaintServiceServer,
    privacy_page_service_server::PrivacyPageServiceServer, record_service_server::RecordServiceServer,
    restriction_service_server::RestrictionServiceServer,
};
use levqor_proto_law::v1::law_service_server::LawServiceServer;
use levqor_runtime::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    email::Email,
    fail_point::FailPoint,
    metrics::{Definition, Readings},
    privacy::{Erasures, HoldChange, Ledger, Obstacle, Subject},
    rpc::State,
    schedule::Schedule,
    service::{Capability, Recipient, Service},
    storage::{Place, Storage},
    telemetry::Fields,
};
use sqlx::{PgConnection, migrate::Migrator};
use tonic::service::RoutesBuilder;
use uuid::Uuid;

use crate::{
    archives::Archives, config::Config, domain::screen::Screen, drive::Drive, error::Error, exports::Vault,
    legal::Shipped, pages::Pages, store::data_exports,
};

/// The migrations of this service's tables.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The most copies that one statement finds for a sweep.
const SWEEP_BATCH: i64 = 50;

/// The state of the service, which its RPCs use.
pub struct Compliance {
    chassis: Chassis,
    config: Config,
    /// Where copies and the ledger are. `None` if no folder or no key is set.
    vault: Option<Vault>,
    pages: Pages,
    legal: Shipped,
    screen: Screen,
}

impl State for Compliance {
    fn chassis(&self) -> &Chassis {
        &self.chassis
    }
}

impl Service for Compliance {
    const NAME: &'static str = "compliance";
    const DESCRIPTORS: &'static [&'static [u8]] =
        &[levqor_proto_compliance::FILE_DESCRIPTOR_SET, levqor_proto_law::FILE_DESCRIPTOR_SET];
    const CALLS: &'static [&'static [u8]] =
        &[levqor_proto_mail::FILE_DESCRIPTOR_SET, levqor_proto_notifications::FILE_DESCRIPTOR_SET];
    // Every service that holds personal data. Notifications is the last, because it sends the person's mail.
    const ASKS: &'static [&'static str] = &["billing", "support", "notifications"];
    const METRICS: &'static [Definition] = metrics::ALL;
    const FAIL_POINTS: &'static [FailPoint] = fail_point::ALL;
    const FIELDS: Fields = Fields { events: &["count", "rows", "severity", "table"], spans: &[] };
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
        let storage = match &config.storage {
            Some(place) => Some(Storage::start(place).await?),
            None => None,
        };
        let vault = match storage.zip(config.storage_key.clone()) {
            Some((storage, key)) => {
                let ledger = Ledger::new(storage.clone(), key.of_ledger());
                Some(Vault { archives: Archives::start(config.drive.as_ref(), storage).await?, key, ledger })
            }
            None => None,
        };
        let pages = Pages::try_new(&config).context("compile the pages")?;
        let screen = Screen::try_new().context("read the terms of high-risk data")?;
        Ok(Arc::new(Self { chassis, config, vault, pages, legal: Shipped::default(), screen }))
    }

    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder) {
        let rpc = rpc::Rpc(Arc::clone(self));
        routes.add_service(DataRequestServiceServer::new(rpc.clone()));
        routes.add_service(AuditServiceServer::new(rpc.clone()));
        routes.add_service(RecordServiceServer::new(rpc.clone()));
        routes.add_service(PrivacyPageServiceServer::new(rpc.clone()));
        routes.add_service(ConsentLedgerServiceServer::new(rpc.clone()));
        routes.add_service(LegalDocumentServiceServer::new(rpc.clone()));
        routes.add_service(ObjectionServiceServer::new(rpc.clone()));
        routes.add_service(BreachServiceServer::new(rpc.clone()));
        routes.add_service(PrivacyComplaintServiceServer::new(rpc.clone()));
        routes.add_service(LegalHoldServiceServer::new(rpc.clone()));
        routes.add_service(RestrictionServiceServer::new(rpc.clone()));
        routes.add_service(LawServiceServer::new(rpc));
    }

    fn address_hash(&self, address: &Email) -> Option<Vec<u8>> {
        self.hash(address).map(|hash| hash.as_bytes().to_vec())
    }

    async fn erasures(&self, conn: &mut PgConnection) -> Result<Erasures, DbError> {
        store::erasures::begun(conn).await
    }

    /// After a restore the request of the erasure itself was open again, and was ended with the others.
    async fn erased(&self, tx: &mut Tx, erasure_id: Uuid, _: &Subject) -> Result<(), DbError> {
        let (id, now) = (erasure_id.into(), tx.now().await?);
        if store::data_requests::done_again(tx, id).await? {
            store::erasures::complete_again(tx, id, now).await?;
        }
        Ok(())
    }

    async fn ended_holds(&self, conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<HoldChange>, DbError> {
        let known = store::placed_holds::of(conn, ids).await?.into_iter();
        Ok(known.filter(|hold| !hold.state.stands()).map(|hold| hold.change(Subject::default())).collect())
    }

    fn ledger(&self) -> Option<&Ledger> {
        self.vault.as_ref().map(|vault| &vault.ledger)
    }

    fn capabilities(&self) -> Vec<Capability> {
        capabilities::capabilities(self)
    }

    fn checks(config: &Config, _database: Option<&DatabaseUrl>) -> Vec<Check> {
        checks::checks(config)
    }

    fn recipients(config: &Config) -> Vec<Recipient> {
        let purpose = "Keeps encrypted copies of personal data.";
        vec![
            Drive::recipient(config.drive.as_ref(), purpose),
            Place::recipient(config.storage.as_ref(), purpose),
        ]
    }

    fn schedules() -> Vec<Schedule> {
        let (minute, day) = (TimeDelta::minutes(1), TimeDelta::days(1));
        vec![
            Schedule::new("sweep_data_requests", minute, minute, || SweepDataRequestsRequest {}),
            Schedule::new("check_audit_chains", day, day, || CheckAuditChainsRequest {}),
            Schedule::new("enforce_retention", day, day, || EnforceRetentionRequest {}),
        ]
    }

    async fn measure(&self, conn: &mut PgConnection, readings: &mut Readings) -> Result<(), DbError> {
        let open = store::data_requests::open(conn).await?;
        readings.count(&metrics::OPEN_REQUESTS, &[], open.count);
        readings.count(&metrics::OVERDUE_REQUESTS, &[], open.overdue);
        readings.count(&metrics::BROKEN_AUDIT_CHAINS, &[], store::audit_checks::not_whole(conn).await?);
        let breaches = store::breaches::open(conn).await?;
        readings.count(&metrics::OPEN_BREACHES, &[], breaches.count);
        readings.count(&metrics::OVERDUE_BREACHES, &[], breaches.overdue);
        let complaints = store::privacy_complaints::open(conn).await?;
        readings.count(&metrics::OPEN_COMPLAINTS, &[], complaints.count);
        readings.count(&metrics::OVERDUE_COMPLAINTS, &[], complaints.overdue);
        Ok(())
    }

    async fn obstacles(&self, conn: &mut PgConnection, subject: &Subject) -> Result<Vec<Obstacle>, DbError> {
        let subs: Vec<_> = subject.subs.iter().cloned().collect();
        let emails: Vec<_> = subject.emails.iter().cloned().collect();
        let open = store::privacy_complaints::open_of(conn, &subs, &emails).await?;
        let obstacle = |id| Obstacle { reason: "PRIVACY_COMPLAINT_OPEN", about: format!("complaint {id}") };
        Ok(open.into_iter().map(obstacle).collect())
    }
}

impl Compliance {
    /// Removes every copy that is due, and tells operators of those that lie in a storage that is not set any more. Returns how many were
    /// removed.
    async fn sweep_exports(&self) -> Result<i64, Error> {
        let Some(vault) = &self.vault else { return Ok(0) };
        let places = vault.archives.places();
        let mut tx = self.chassis.db.begin().await?;
        let now = tx.now().await?;
        for (id, of_copy) in data_exports::take_away(&mut tx, &places, now).await? {
            let away: Vec<_> = of_copy.into_iter().filter(|place| !places.contains(place)).collect();
            operators::copy_away(&mut tx, id, &away, now).await?;
        }
        tx.commit().await?;
        let mut removed = 0;
        loop {
            let mut conn = self.chassis.db.acquire().await?;
            let now = levqor_runtime::db::now(&mut conn).await?;
            let due = data_exports::to_delete(&mut conn, &places, now, SWEEP_BATCH).await?;
            drop(conn);
            if due.is_empty() {
                return Ok(removed);
            }
            for export in due {
                self.remove(&export).await?;
                removed += 1;
            }
        }
    }
}
