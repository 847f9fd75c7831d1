//! Wakes the workers of this process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes the workers of this process at once, without a NOTIFY in a transaction. Other processes poll.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// A call was deferred.
    pub deferred: Arc<Notify>,
    /// An event was journaled.
    pub journal: Arc<Notify>,
}
