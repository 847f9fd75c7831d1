//! The parts that every service holds: database, channels, clock and tasks.

use std::sync::Arc;

use crate::{
    client::Channels, clock::Clock, db::Db, metrics::Metrics, tasks::Tasks, token::ServiceTokens,
    wakes::Wakes,
};

/// The state that a service gets when it is built. Cheap to clone.
#[derive(Clone)]
pub struct Chassis {
    /// The service's name.
    pub service: &'static str,
    /// The service's database.
    pub db: Db,
    /// Channels to the services of the mesh.
    pub channels: Channels,
    /// Tokens for calls without a user.
    pub tokens: Arc<ServiceTokens>,
    /// Tasks that the drain waits for.
    pub tasks: Tasks,
    /// Wakes the workers of this process.
    pub wakes: Wakes,
    /// The process' clock.
    pub clock: Clock,
    /// The service's metrics.
    pub metrics: Metrics,
}
