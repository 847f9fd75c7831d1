//! A service under test, alone, on a database of its own.

use chrono::TimeDelta;

use super::{JWT_SECRET, MESH_KEY, advance, connect, count, database, eventually, execute};
use crate::{
    config::{Env, Reader},
    db::{self, DatabaseUrl, Db},
    run::{self, Running, ServiceConfig},
    service::Service,
    webhook::Backlog,
};

/// A service under test, alone: its deferred calls to others stay in its table.
pub struct TestService<S: Service> {
    /// The running service.
    pub running: Running<S>,
    /// Its database.
    pub db: Db,
    /// The same, as an address.
    pub url: DatabaseUrl,
}

impl<S: Service> TestService<S> {
    /// Starts the service with a database of its own and these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(database::<S>().await, settings).await
    }

    /// Starts the service on this database.
    pub async fn start_on(url: DatabaseUrl, settings: &[(&str, &str)]) -> Self {
        let running = run::start(config::<S>(&url, settings)).await.expect("the service starts");
        Self { running, db: connect(&url), url }
    }

    /// A channel to it.
    #[must_use]
    pub fn channel(&self) -> crate::client::Peer {
        self.running.chassis().channels.get(S::NAME).expect("its own channel")
    }

    /// Moves the mesh's time, and lets the workers claim the work that is due now.
    pub async fn advance(&self, by: TimeDelta) {
        advance(&self.db, by).await;
        let wakes = &self.running.chassis().wakes;
        wakes.deferred.notify_one();
        wakes.journal.notify_one();
    }

    /// Counts rows: `lamps WHERE state = 'LIT'`.
    pub async fn count(&self, rows: &str) -> i64 {
        count(&self.db, rows).await
    }

    /// Executes SQL for states that no RPC makes, such as damaged or old rows.
    pub async fn execute(&self, sql: &str) {
        execute(&self.db, sql).await;
    }

    /// The backlog of its journal.
    pub async fn journal(&self) -> Backlog {
        let mut conn = self.db.acquire().await.expect("a connection");
        S::journal(&mut conn).await.expect("counted").expect("a journal")
    }

    /// Waits until the schedule's call of the present slot was made, so that it does not disturb the test. If the next
    /// slot is near, moves the time to that slot first.
    pub async fn outlive_slot(&self, schedule: &str, rpc: &str) {
        const NEAR: TimeDelta = TimeDelta::minutes(2);
        let schedules = S::schedules();
        let schedule = schedules.iter().find(|it| it.name == schedule).expect("a schedule of the service");
        let now = db::now(&mut self.db.acquire().await.expect("a connection")).await.expect("a time");
        let next = schedule.next_slot(now);
        let present = if next - now < NEAR {
            self.advance(next - now).await;
            next
        } else {
            schedule.slot(now)
        };
        let taken = format!(
            "runtime.schedule_slots WHERE schedule = '{}' AND slot >= '{}'",
            schedule.name,
            present.to_rfc3339()
        );
        let waiting = format!("runtime.work WHERE rpc LIKE '%/{rpc}'");
        eventually("the call of the present slot was made", || async {
            (self.count(&taken).await > 0 && self.count(&waiting).await == 0).then_some(())
        })
        .await;
    }

    /// Stops it as the orchestrator would.
    pub async fn stop(self) {
        self.running.drain().await;
    }
}

/// A service's configuration for tests: any free port, fixed keys, other services nowhere.
#[must_use]
pub fn config<S: Service>(url: &DatabaseUrl, settings: &[(&str, &str)]) -> ServiceConfig<S> {
    let mut env = Env::from_pairs(settings.iter().copied());
    env.set_default("LEVQOR_DATABASE_URL", "postgres://replaced/below");
    env.set_default("LEVQOR_GRPC_ADDR", "127.0.0.1:0");
    env.set_default("LEVQOR_DRAIN_DELAY_MS", "0");
    // A service alone has no ledger of erasures to compare itself with.
    env.set_default("LEVQOR_LEDGER_CHECK", "false");
    // A test does in a minute what one caller may do in an hour.
    env.set_default("LEVQOR_RATE_LIMITS", "off");
    env.set_default("LEVQOR_MESH_KEY", MESH_KEY);
    env.set_default("LEVQOR_JWT_SECRET", JWT_SECRET);
    let address = |service: &str| format!("LEVQOR_{}_ADDR", service.to_uppercase());
    let called = run::register::<S>().services();
    let asked = run::asked::<S>();
    for service in called.iter().chain(&asked) {
        // Nothing listens on port 1.
        env.set_default(&address(service), "127.0.0.1:1");
    }
    let mut reader = Reader::new(&env);
    let config = ServiceConfig::read(&mut reader);
    let mut config = reader.finish(config).expect("the settings of the test are valid");
    config.database_url = url.clone();
    // A test that sets no address of a service in `ASKS` runs without that service.
    let is_set = |service: &str| settings.iter().any(|(name, _)| *name == address(service));
    config.addresses.0.retain(|service, _| !asked.contains(service) || is_set(service));
    config
}
