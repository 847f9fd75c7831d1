//! Takes verified events into the journal; those that come at the same time share a commit.

use std::cmp::Ordering;

use bytes::Bytes;
use levqor_runtime::{
    db::{Db, DbError},
    shared_commit::{BatchWrite, NotWritten, SharedCommit},
    telemetry,
};
use sqlx::PgConnection;

use crate::{
    domain::stripe_event::{ActsOn, Envelope, NotOurs, State},
    fail_point,
    store::stripe_events::{self, Journaled},
};

/// An event on its way into the journal.
pub(crate) struct Arrival {
    pub(crate) event: Envelope,
    pub(crate) body: Bytes,
    pub(crate) trace_parent: String,
    pub(crate) first_state: State,
    pub(crate) not_ours: Option<NotOurs>,
}

/// The way into the journal.
pub(crate) struct Intake {
    commit: SharedCommit<Insert>,
    acts_on: ActsOn,
}

impl Intake {
    /// Starts the writers.
    pub(crate) fn new(db: &Db, acts_on: ActsOn) -> Self {
        Self { commit: SharedCommit::new(db, Insert), acts_on }
    }

    /// Stores an event, once; returns after the commit.
    pub(crate) async fn journal(&self, event: Envelope, body: Bytes) -> Result<Journaled, NotWritten> {
        let (first_state, not_ours) = (event.first_state(self.acts_on), event.not_ours(self.acts_on));
        let trace_parent = telemetry::current_trace_parent();
        self.commit.write(Arrival { event, body, trace_parent, first_state, not_ours }).await
    }
}

struct Insert;

impl BatchWrite for Insert {
    type Item = Arrival;
    type Answer = Journaled;
    const OPERATION: &'static str = "INSERT";
    const TABLE: &'static str = "stripe_events";

    fn order(&self, one: &Arrival, other: &Arrival) -> Ordering {
        one.event.event_id.cmp(&other.event.event_id)
    }

    async fn write(&self, conn: &mut PgConnection, items: &[Arrival]) -> Result<Vec<Journaled>, DbError> {
        fail_point::JOURNAL_GATHERED.reached();
        let journaled = stripe_events::insert(conn, items).await?;
        fail_point::JOURNAL_STORED.reached();
        Ok(journaled)
    }
}
