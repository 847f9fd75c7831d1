//! Takes verified events into the journal; those that come at the same time share a commit.

use std::cmp::Ordering;

use bytes::Bytes;
use levqor_runtime::{
    db::{Db, DbError},
    fail_point::FailPoint,
    shared_commit::{BatchWrite, NotWritten, SharedCommit},
    telemetry,
};
use sqlx::PgConnection;

use crate::{
    domain::stripe_event::Envelope,
    store::stripe_events::{self, Journaled},
};

/// An event on its way into the journal.
pub(crate) struct Arrival {
    pub(crate) event: Envelope,
    pub(crate) body: Bytes,
    pub(crate) trace_parent: String,
}

/// The way into the journal.
pub(crate) struct Intake(SharedCommit<Insert>);

impl Intake {
    /// Starts the writers.
    pub(crate) fn new(db: &Db) -> Self {
        Self(SharedCommit::new(db, Insert))
    }

    /// Stores an event, once; returns after the commit.
    pub(crate) async fn journal(&self, event: Envelope, body: Bytes) -> Result<Journaled, NotWritten> {
        self.0.write(Arrival { event, body, trace_parent: telemetry::current_trace_parent() }).await
    }
}

struct Insert;

impl BatchWrite for Insert {
    type Item = Arrival;
    type Answer = Journaled;
    const OPERATION: &'static str = "INSERT";
    const TABLE: &'static str = "stripe_events";

    fn order(&self, one: &Arrival, other: &Arrival) -> Ordering {
        one.event.key().cmp(&other.event.key())
    }

    async fn write(&self, conn: &mut PgConnection, items: &[Arrival]) -> Result<Vec<Journaled>, DbError> {
        FailPoint::JournalGathered.reached();
        let journaled = stripe_events::insert(conn, items).await?;
        FailPoint::JournalStored.reached();
        Ok(journaled)
    }
}
