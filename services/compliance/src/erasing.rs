//! The steps of an erasure over all services. Mails are needed until the person gets the last one, and compliance's row until the end: so
//! notifications is erased after the other services, and compliance last.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::RunErasureRequest;
use levqor_proto_runtime::v1::{EraseSubjectRequest, Subject};
use levqor_runtime::{
    context::{Ctx, Scope},
    db::{self, DbError, Tx},
    deferred::defer_at,
    privacy::{self, HoldKind},
    service::Service,
};
use sqlx::PgConnection;

use crate::{
    Compliance,
    domain::{
        data_request::{DataRequest, State, Step},
        erasure::{LOOK_AGAIN, MAIL_TIME, Progress, Receipt},
        hold::Hold,
    },
    error::Error,
    fail_point, mails, operators,
    peers::Peers,
    store::{
        data_exports, data_requests,
        erasures::{self, Erasure},
        placed_holds,
    },
};

/// The service that sends mails.
const MAILS: &str = "notifications";
/// The row of the request itself, which is erased at the very end.
const OWN_TABLE: &str = "data_requests";

/// An erasure that runs.
pub(crate) struct Erasing<'e> {
    compliance: &'e Compliance,
    peers: Peers<'e>,
    request: DataRequest,
    receipts: Vec<Receipt>,
    kept: Vec<String>,
}

impl<'e> Erasing<'e> {
    pub(crate) fn new(
        compliance: &'e Compliance,
        ctx: &'e Ctx,
        request: DataRequest,
        erasure: Erasure,
    ) -> Self {
        let peers = Peers::new(&compliance.chassis, &ctx.request_id);
        Self { compliance, peers, request, receipts: erasure.receipts, kept: erasure.kept }
    }

    /// Begins the erasure. If it has an obstacle, it waits a day instead.
    pub(crate) async fn begin(&mut self) -> Result<Option<State>, Error> {
        let known = self.peers.resolve(self.request.subject.clone()).await?;
        let preview = self.peers.preview(&known).await?;
        let mut obstacles = preview.obstacles();
        let mut tx = self.compliance.chassis.db.begin().await?;
        let now = tx.now().await?;
        let (mut request, progress) = self.lock(&mut tx).await?;
        if progress != Progress::Approved {
            // The other call may have found identifiers that this call cannot find any more.
            return Ok(Some(request.state));
        }
        let subject = privacy::Subject::from(known.clone());
        for hold in held(&mut tx, &subject).await? {
            if !obstacles.contains(&hold) {
                obstacles.push(hold);
            }
        }
        if obstacles.is_empty() {
            request.take(Step::Erase, now)?;
            request.subject = known;
            let restrictions = privacy::standing_holds(&mut tx, HoldKind::Restriction, &subject).await?;
            placed_holds::end_restrictions(&mut tx, &restrictions, now).await?;
            end_others(&mut tx, &request, now).await?;
            erasures::put_kept(&mut tx, request.id, &preview.kept()).await?;
            erasures::update(&mut tx, request.id, Progress::Erasing, &self.receipts, now).await?;
        } else {
            request.take(Step::Wait, now)?;
            request.obstacles = obstacles;
            request.erase_time = Some(now + LOOK_AGAIN);
        }
        let state = request.state;
        data_requests::update(&mut tx, &request).await?;
        tx.commit().await?;
        fail_point::ERASURE_BEGUN.reached();
        Ok((state == State::Waiting).then_some(state))
    }

    /// Lets an erasure that has begun wait a day if a legal hold was placed since.
    pub(crate) async fn pause(&mut self) -> Result<Option<State>, Error> {
        let mut tx = self.compliance.chassis.db.begin().await?;
        let now = tx.now().await?;
        let (mut request, progress) = self.lock(&mut tx).await?;
        if matches!(progress, Progress::Approved | Progress::Complete) {
            return Ok(None);
        }
        let holds = held(&mut tx, &privacy::Subject::from(request.subject.clone())).await?;
        if holds.is_empty() && request.obstacles.is_empty() {
            return Ok(None);
        }
        let is_held = !holds.is_empty();
        request.obstacles = holds;
        if is_held {
            request.erase_time = Some(now + LOOK_AGAIN);
        }
        data_requests::update(&mut tx, &request).await?;
        tx.commit().await?;
        Ok(is_held.then_some(request.state))
    }

    /// Erases everything that no mail needs, counts the rows that remain, removes the copies, writes the entry of the ledger, and tells
    /// the person and the operators.
    pub(crate) async fn erase_and_tell(&mut self) -> Result<State, Error> {
        self.remove_copies().await?;
        let services: Vec<_> = self.peers.names().filter(|name| !is_late(name)).collect();
        for service in &services {
            self.erase(service).await?;
        }
        self.expect_nothing_left(&services).await?;
        // A restore must not carry out an erasure that a hold stops.
        self.expect_no_hold(&mut *self.compliance.chassis.db.acquire().await?).await?;
        // A restore must not undo an erasure after the person got the mail about it.
        self.record().await?;
        let mut tx = self.compliance.chassis.db.begin().await?;
        let now = tx.now().await?;
        let (mut request, progress) = self.lock(&mut tx).await?;
        if progress != Progress::Erasing {
            return Ok(request.state);
        }
        self.expect_no_hold(&mut tx).await?;
        mails::erased(&mut tx, &request, self.kept.clone(), now).await?;
        operators::erasure_told(&mut tx, request.id, now).await?;
        let later = now + MAIL_TIME;
        request.erase_time = Some(later);
        data_requests::update(&mut tx, &request).await?;
        erasures::update(&mut tx, request.id, Progress::Told, &self.receipts, now).await?;
        let run = RunErasureRequest { data_request_id: request.id.to_string() };
        defer_at(&mut tx, &run, format!("erasure:{}:told", request.id), later).await?;
        fail_point::ERASURE_TELLING.reached();
        tx.commit().await?;
        fail_point::ERASURE_TOLD.reached();
        Ok(request.state)
    }

    /// Erases the mails, counts the rows that remain in every service, and writes the entry of the ledger again, with this time: what the
    /// person did until now is erased too.
    pub(crate) async fn erase_mails_and_record(&mut self) -> Result<(), Error> {
        self.expect_mail_handed_over().await?;
        let services: Vec<_> = self.peers.names().filter(|name| *name != Compliance::NAME).collect();
        for service in &services {
            self.erase(service).await?;
        }
        self.expect_nothing_left(&services).await?;
        let now = self.record().await?;
        fail_point::ERASURE_WRITTEN.reached();
        let mut tx = self.compliance.chassis.db.begin().await?;
        if self.lock(&mut tx).await?.1 == Progress::Told {
            erasures::update(&mut tx, self.request.id, Progress::Recorded, &self.receipts, now).await?;
        }
        tx.commit().await?;
        fail_point::ERASURE_RECORDED.reached();
        Ok(())
    }

    /// Erases what this service holds, with its own row at last.
    pub(crate) async fn finish(&mut self) -> Result<State, Error> {
        let mut tx = self.compliance.chassis.db.begin().await?;
        let now = tx.now().await?;
        let (request, progress) = self.lock(&mut tx).await?;
        if progress != Progress::Recorded {
            return Ok(request.state);
        }
        // The person's requests since it began.
        end_others(&mut tx, &self.request, now).await?;
        tx.commit().await?;
        self.remove_copies().await?;
        self.erase(Compliance::NAME).await?;
        let left = self.peers.left(Compliance::NAME, &self.request.subject).await?;
        if left.iter().any(|rows| rows.table != OWN_TABLE || rows.rows != 1) {
            return Err(Error::ErasurePartial);
        }
        fail_point::ERASURE_OWN_PART_DONE.reached();
        self.count_own_row();
        let mut tx = self.compliance.chassis.db.begin().await?;
        let now = tx.now().await?;
        let (request, progress) = self.lock(&mut tx).await?;
        if progress != Progress::Recorded {
            return Ok(request.state);
        }
        data_requests::finish(&mut tx, self.request.id, now).await?;
        erasures::update(&mut tx, self.request.id, Progress::Complete, &self.receipts, now).await?;
        tx.commit().await?;
        fail_point::ERASURE_FINISHED.reached();
        Ok(State::Done)
    }

    /// Writes the entry of the ledger. Returns its time.
    async fn record(&self) -> Result<DateTime<Utc>, Error> {
        let now = db::now(&mut *self.compliance.chassis.db.acquire().await?).await?;
        let subject = privacy::Subject::from(self.request.subject.clone());
        self.compliance.vault()?.ledger.write(self.request.id.as_uuid(), &subject, now).await?;
        Ok(now)
    }

    /// Removes the copies. Fails while a copy of the person is in a storage that is not set any more.
    async fn remove_copies(&self) -> Result<(), Error> {
        self.compliance.sweep_exports().await?;
        let mut conn = self.compliance.chassis.db.acquire().await?;
        let now = db::now(&mut conn).await?;
        let (subs, emails) = identifiers(&self.request);
        if data_exports::overdue_of(&mut conn, &subs, &emails, now).await? > 0 {
            return Err(Error::ErasurePartial);
        }
        Ok(())
    }

    /// Fails while the last mail waits for the service that sends it: an erasure would take it from the queue.
    async fn expect_mail_handed_over(&self) -> Result<(), Error> {
        let mut conn = self.compliance.chassis.db.acquire().await?;
        let is_sent_here = self.peers.names().any(|name| name == MAILS);
        if is_sent_here && mails::erased_waits(&mut conn, &self.request).await? {
            return Err(Error::ErasurePartial);
        }
        Ok(())
    }

    /// Fails once a legal hold is in force here: a service may not know of it yet. The next call lets the erasure wait.
    async fn expect_no_hold(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let holds = held(conn, &privacy::Subject::from(self.request.subject.clone())).await?;
        if holds.is_empty() { Ok(()) } else { Err(Error::ErasurePartial) }
    }

    /// Fails while one of these services still has data of the person, so that no mail reports an incomplete erasure.
    async fn expect_nothing_left(&self, services: &[&str]) -> Result<(), Error> {
        for service in services {
            if !self.peers.left(service, &self.request.subject).await?.is_empty() {
                return Err(Error::ErasurePartial);
            }
        }
        Ok(())
    }

    /// Adds the row of the request itself to the receipt of this service, which counts the person's earlier requests.
    fn count_own_row(&mut self) {
        let is_own = |line: &Receipt| line.service == Compliance::NAME && line.table == OWN_TABLE;
        if let Some(line) = self.receipts.iter_mut().find(|line| is_own(line)) {
            line.rows += 1;
            return;
        }
        let (service, table) = (Compliance::NAME.to_owned(), OWN_TABLE.to_owned());
        self.receipts.push(Receipt { service, table, rows: 1 });
    }

    /// Erases in one service until its part is complete, and takes its receipt.
    async fn erase(&mut self, service: &str) -> Result<(), Error> {
        let plans = self.peers.preview_of(service, &self.request.subject).await?.plans;
        loop {
            let request = EraseSubjectRequest {
                service: service.to_owned(),
                erasure_id: self.request.id.to_string(),
                subject: Some(Subject::from(self.request.subject.clone())),
                plans: plans.clone(),
                again: false,
            };
            self.expect_no_hold(&mut *self.compliance.chassis.db.acquire().await?).await?;
            let answer = self.peers.erase(service, request).await?;
            if answer.complete {
                self.receipts.retain(|line| line.service != service);
                self.receipts.extend(Receipt::of(service, answer.erased));
                fail_point::ERASURE_PART_DONE.reached();
                return Ok(());
            }
        }
    }

    /// Locks the request, and tells how far its erasure is: another call may have been faster.
    async fn lock(&self, tx: &mut Tx) -> Result<(DataRequest, Progress), Error> {
        let request = data_requests::lock(tx, &Scope::All, self.request.id).await?;
        let erasure = erasures::get(tx, self.request.id).await?;
        let both = request.zip(erasure).ok_or(Error::DataRequestNotFound)?;
        Ok((both.0, both.1.progress))
    }
}

/// Ends the person's other requests, with their copies.
async fn end_others(tx: &mut Tx, request: &DataRequest, now: DateTime<Utc>) -> Result<(), Error> {
    let (subs, emails) = identifiers(request);
    data_requests::end_others(tx, request.id, &subs, &emails, now).await?;
    data_exports::end_those_of(tx, &subs, &emails, now).await?;
    Ok(())
}

/// The ids and the addresses of the person.
fn identifiers(request: &DataRequest) -> (Vec<String>, Vec<String>) {
    (request.subject.subs.iter().cloned().collect(), request.subject.emails.iter().cloned().collect())
}

/// The legal holds on a person, as obstacles.
async fn held(conn: &mut PgConnection, subject: &privacy::Subject) -> Result<Vec<String>, DbError> {
    let holds = privacy::standing_holds(conn, HoldKind::LegalHold, subject).await?;
    Ok(holds.into_iter().map(Hold::obstacle).collect())
}

/// Whether a service is needed until the person has got the last mail.
fn is_late(service: &str) -> bool {
    [MAILS, Compliance::NAME].contains(&service)
}
