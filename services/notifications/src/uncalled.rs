//! Attempts of this process in which no provider was called, although nobody else can tell.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::delivery::{Attempt, AttemptId};

/// Attempts whose beginning may be stored, and in which nothing was handed over: the answer to the commit was lost. There
/// are as many as deliveries were in that very moment when the database went away, so they are never forgotten.
#[derive(Debug, Default)]
pub(crate) struct Uncalled(Mutex<HashSet<AttemptId>>);

impl Uncalled {
    /// Notes one.
    pub(crate) fn note(&self, attempt: AttemptId) {
        self.ids().insert(attempt);
    }

    /// Those of a message's attempts that are open only because their outcome is not written down.
    pub(crate) fn open_among(&self, attempts: &[Attempt]) -> Vec<Attempt> {
        let ids = self.ids();
        let open = attempts.iter().filter(|attempt| attempt.end.is_none() && ids.contains(&attempt.id));
        open.cloned().collect()
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
