//! The mesh's time, which a test moves while it waits: leases of killed processes expire, and delayed work becomes due.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_runtime::{
    db::Db,
    fail_point::FailPoint,
    testing::{self, eventually},
};

use super::Mesh;

/// How often the mesh's time is moved while work is due: a killed process may hold it.
const MOVE_TIME: Duration = Duration::from_secs(2);

/// How often the mesh's time is moved while nothing is due. Schedules look every second.
const MOVE_IDLE_TIME: Duration = Duration::from_secs(1);

/// How long a process may take to be killed at its point, while the mesh's time is moved.
const LONGEST_KILL: Duration = Duration::from_mins(1);

impl Mesh {
    /// Moves the mesh's time.
    pub(crate) async fn advance(&self, by: TimeDelta) {
        for db in &self.databases {
            testing::advance(db, by).await;
        }
    }

    /// Whether it is time to move the mesh's time, which was moved last at this instant: nothing is due any more, or the patience
    /// with what is due is over.
    pub(crate) async fn must_move(&self, moved: Instant, patience: Duration) -> bool {
        must_move(&self.databases, moved, patience).await
    }

    /// Waits until a process has killed itself at the point that it was started with, and moves the mesh's time meanwhile.
    pub(crate) async fn killed_itself_in_time(&mut self, n: usize, point: FailPoint) {
        let begun = Instant::now();
        loop {
            let moved = Instant::now();
            let databases = &self.databases;
            let process = self.replicas[n].process.as_mut().expect("it was started");
            let ended = eventually("the process is killed, or it is time to move time", || {
                let ended = process.ended().is_some();
                async move { (ended || must_move(databases, moved, MOVE_TIME).await).then_some(ended) }
            })
            .await;
            if ended || begun.elapsed() > LONGEST_KILL {
                return self.killed_itself(n, point).await;
            }
            self.advance(TimeDelta::minutes(5)).await;
        }
    }

    /// Waits until no work is left, without moving the mesh's time.
    pub(crate) async fn done(&self) {
        eventually("nothing is left to do", || async { (self.left().await == Some(0)).then_some(()) }).await;
    }

    /// Waits until no work is left, and moves the mesh's time meanwhile, so that the leases of killed processes expire.
    pub(crate) async fn rest(&self) {
        loop {
            let moved = Instant::now();
            let rests = eventually("nothing is left to do, or it is time to move time", || async {
                let rests = self.left().await == Some(0);
                (rests || self.must_move(moved, MOVE_TIME).await).then_some(rests)
            })
            .await;
            if rests {
                return;
            }
            self.advance(TimeDelta::minutes(1)).await;
        }
    }

    /// How many pieces of work are left: events first, and if there are none, all others. `None` while a database does not answer.
    async fn left(&self) -> Option<i64> {
        let [billing, notifications, ..] = &self.databases;
        let calls = "SELECT count(*) FROM runtime.work
                     WHERE state = 'WAITING' AND (attempts > 0 OR due_time < create_time + interval '1 hour')";
        let events = count(billing, "SELECT count(*) FROM stripe_events WHERE state = 'PENDING'").await?;
        if events > 0 {
            return Some(events);
        }
        let messages = count(notifications, "SELECT count(*) FROM messages WHERE state = 'PENDING'").await?;
        Some(messages + count(billing, calls).await? + count(notifications, calls).await?)
    }
}

async fn must_move(databases: &[Db; 4], moved: Instant, patience: Duration) -> bool {
    let waited = moved.elapsed();
    waited > patience || (waited > MOVE_IDLE_TIME && due(databases).await == Some(0))
}

/// How many pieces of work are due, also those that a process has claimed. `None` while a database does not answer.
async fn due(databases: &[Db; 4]) -> Option<i64> {
    let events = "SELECT count(*) FROM stripe_events WHERE state = 'PENDING' AND due_time <= runtime.now()";
    let mut due = count(&databases[0], events).await?;
    for db in databases {
        let calls = "SELECT count(*) FROM runtime.work WHERE state = 'WAITING' AND due_time <= runtime.now()";
        due += count(db, calls).await?;
    }
    Some(due)
}

async fn count(db: &Db, query: &'static str) -> Option<i64> {
    sqlx::query_scalar(query).fetch_one(db.pool()).await.ok()
}
