//! The fences of a claimer, drawn by itself before it claims.
//!
//! A claim's answer can be lost with the connection after the commit. Who drew the fence knows all the same what the claim
//! took: whatever bears it is worked on by nobody, and the next claim takes it at once, not when its lease has ended.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{CLAIM_TIMEOUT, LEASE};
use crate::db::DbError;

/// For how long the fence of a claim without an answer is remembered. PostgreSQL has ended the claim by then, one way or
/// the other, and its lease has ended too.
const REMEMBER: Duration = LEASE.saturating_add(CLAIM_TIMEOUT);

/// The fences that one claimer has drawn, as far as it must remember them.
#[derive(Debug, Default)]
pub struct Fences(Mutex<Vec<(i64, Instant)>>);

impl Fences {
    /// Draws a fence for one claim. It never comes again: it is one of 2^63, by chance.
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

/// A fence, and the claim that it was drawn for. Dropped without an answer, as a claim that takes too long is, it is
/// remembered.
#[derive(Debug)]
pub struct Drawn<'f> {
    fences: &'f Fences,
    fence: i64,
    unanswered: Vec<i64>,
    answered: bool,
}

impl Drawn<'_> {
    /// What the claim marks with it everything that it takes.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// The fences of claims that are over and got no answer. What bears one of them is free, whatever its lease says.
    #[must_use]
    pub fn unanswered(&self) -> &[i64] {
        &self.unanswered
    }

    /// Passes on the answer to the claim. Where the connection failed, it is none: the claim may be committed or not.
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
