//! Wakes the workers of this process.

use std::sync::Arc;

use tokio::sync::Notify;

/// What wakes the workers of this process at once, without a NOTIFY in anybody's transaction. Other processes poll.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// A call was deferred.
    pub deferred: Arc<Notify>,
    /// Something was journaled.
    pub journal: Arc<Notify>,
}
