//! The fences of a claimer. The claimer draws each fence before it claims.
//!
//! The answer to a claim can get lost with the connection after the commit. The claimer drew the fence, so it still knows what
//! the claim took: no worker works on the rows with that fence. The next claim takes them at once and does not wait for the lease to
//! expire.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{CLAIM_TIMEOUT, LEASE};
use crate::db::DbError;

/// How long the fence of an unanswered claim is remembered. After this time PostgreSQL has committed or rolled back the claim,
/// and its lease has expired.
const REMEMBER: Duration = LEASE.saturating_add(CLAIM_TIMEOUT);

/// The fences of one claimer that it must still remember.
#[derive(Debug, Default)]
pub struct Fences(Mutex<Vec<(i64, Instant)>>);

impl Fences {
    /// Draws a fence for one claim. It is random, one of 2^63, so it does not repeat.
    pub fn draw(&self) -> Drawn<'_> {
        let mut unanswered = self.unanswered();
        unanswered.retain(|(_, since)| since.elapsed() < REMEMBER);
        let unanswered = unanswered.iter().map(|(fence, _)| *fence).collect();
        Drawn { fences: self, fence: rand::random_range(1..=i64::MAX), unanswered, answered: false }
    }

    fn unanswered(&self) -> MutexGuard<'_, Vec<(i64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fence, and its claim. If it is dropped without an answer (for example after a timeout), it is remembered.
#[derive(Debug)]
pub struct Drawn<'f> {
    fences: &'f Fences,
    fence: i64,
    unanswered: Vec<i64>,
    answered: bool,
}

impl Drawn<'_> {
    /// The mark that the claim writes on every row that it takes.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// The fences of earlier claims that got no answer. A row with one of these fences is free, whatever its lease says.
    #[must_use]
    pub fn unanswered(&self) -> &[i64] {
        &self.unanswered
    }

    /// Passes on the answer to the claim. A failed connection counts as no answer: the claim may be committed or not.
    pub fn answered<T>(mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        self.answered = !matches!(answer, Err(DbError::Unavailable(_)));
        answer
    }
}

impl Drop for Drawn<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.fences.unanswered().push((self.fence, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fences_of_claims_that_are_over_without_an_answer_are_remembered() {
        let fences = Fences::default();
        let (answered, refused, under_way) = (fences.draw(), fences.draw(), fences.draw());
        let (lost, dropped) = (fences.draw(), fences.draw());
        let without_answer = [lost.fence(), dropped.fence()];
        answered.answered(Ok(())).expect("passed on");
        refused.answered::<()>(Err(DbError::Statement(sqlx::Error::RowNotFound))).expect_err("passed on");
        lost.answered::<()>(Err(DbError::Unavailable(sqlx::Error::PoolTimedOut))).expect_err("passed on");
        drop(dropped);
        assert_eq!(fences.draw().unanswered(), without_answer);
        // That draw got no answer itself.
        assert_eq!(fences.draw().unanswered().len(), 3);
        drop(under_way);
    }
}
