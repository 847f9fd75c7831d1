//! Attempts of this process that may be stored, although it did not call the provider. Only this process knows that it did not.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::delivery::{Attempt, AttemptId};

/// Attempts that may be stored but in which nothing was handed over, because the answer to the commit was lost. There are only as
/// many as there were deliveries at the moment when the database failed, so they are never removed.
#[derive(Debug, Default)]
pub(crate) struct Uncalled(Mutex<HashSet<AttemptId>>);

impl Uncalled {
    /// Notes an attempt.
    pub(crate) fn note(&self, attempt: AttemptId) {
        self.ids().insert(attempt);
    }

    /// Attempts of a message from this set that are stored without an outcome.
    pub(crate) fn open_among(&self, attempts: &[Attempt]) -> Vec<Attempt> {
        let ids = self.ids();
        let open = attempts.iter().filter(|attempt| attempt.end.is_none() && ids.contains(&attempt.id));
        open.cloned().collect()
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
