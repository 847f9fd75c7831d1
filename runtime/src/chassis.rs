//! What every service holds: its database, its way to the others, its clock, and the tasks that outlive a request.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::{client::Channels, clock::Clock, db::Db, metrics::Metrics, token::ServiceTokens, work::Wakes};

/// Handed to a service when it is built. Cheap to clone.
#[derive(Clone)]
pub struct Chassis {
    /// The service's name, `billing`.
    pub service: &'static str,
    /// The service's database.
    pub db: Db,
    /// Channels to the services of the mesh.
    pub channels: Channels,
    /// Tokens for calls that no user makes.
    pub tokens: Arc<ServiceTokens>,
    /// Tasks that the drain waits for.
    pub tasks: Tasks,
    /// Wakes the workers of this process.
    pub wakes: Wakes,
    /// The process' clock.
    pub clock: Clock,
    /// What the service counts and times.
    pub metrics: Metrics,
}

/// Tasks that the drain waits for. The only place that spawns.
#[derive(Debug, Clone, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs a future to its end, whoever stops waiting for it.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    /// Waits until every task has ended.
    pub async fn finish(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
