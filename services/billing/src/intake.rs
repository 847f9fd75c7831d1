//! Stores verified events in the journal. Concurrent events share a commit.

use std::cmp::Ordering;

use bytes::Bytes;
use levqor_runtime::{db::DbError, shared_commit::BatchWrite, webhook::Journaled};
use sqlx::PgConnection;

use crate::{
    domain::stripe_event::{Envelope, NotOurs, State},
    fail_point,
    store::stripe_events,
};

/// An event to be stored in the journal.
pub(crate) struct Arrival {
    pub(crate) event: Envelope,
    pub(crate) body: Bytes,
    pub(crate) trace_parent: String,
    pub(crate) first_state: State,
    pub(crate) not_ours: Option<NotOurs>,
}

/// Inserts a batch of arrivals.
pub(crate) struct Insert;

impl BatchWrite for Insert {
    type Item = Arrival;
    type Written = Journaled<State>;
    const OPERATION: &'static str = "INSERT";
    const TABLE: &'static str = "stripe_events";

    fn order(&self, one: &Arrival, other: &Arrival) -> Ordering {
        one.event.event_id.cmp(&other.event.event_id)
    }

    async fn write(
        &self,
        conn: &mut PgConnection,
        items: &[Arrival],
    ) -> Result<Vec<Journaled<State>>, DbError> {
        fail_point::JOURNAL_GATHERED.reached();
        let journaled = stripe_events::insert(conn, items).await?;
        fail_point::JOURNAL_STORED.reached();
        Ok(journaled)
    }
}
