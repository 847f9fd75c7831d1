//! Whether Resend's list of mails can be read, judged by the last sweep of this process.

use std::sync::{Mutex, PoisonError};

/// Why the list cannot be read. None: it can be, or it was not tried yet.
#[derive(Debug, Default)]
pub(crate) struct SweepHealth(Mutex<Option<String>>);

impl SweepHealth {
    /// Notes that the list was read.
    pub(crate) fn listed(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Notes that the list is refused permanently, and logs a change.
    pub(crate) fn refused(&self, what: String) {
        let mut refusal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refusal.as_ref() != Some(&what) {
            tracing::info!(reason = what, "the mail provider lists no mails for this key");
            *refusal = Some(what);
        }
    }

    /// The refusal.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
