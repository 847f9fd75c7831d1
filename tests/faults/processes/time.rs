//! The mesh's time, which a test moves while it waits: leases of killed processes expire, and delayed work becomes due.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_runtime::{
    db::Db,
    fail_point::FailPoint,
    testing::{self, eventually},
    work::LEASE,
};

use super::Mesh;
use crate::databases::of;

/// How often the mesh's time is moved while work is due: a killed process may hold it.
const MOVE_TIME: Duration = Duration::from_secs(2);

/// How often the mesh's time is moved while nothing is due. Schedules look every second.
const MOVE_IDLE_TIME: Duration = Duration::from_secs(1);

/// How long a live worker holds a lease at the most: a slow machine takes seconds for work that others do at once. An older lease
/// is of a claim whose answer was lost.
const LONGEST_WORK: Duration = Duration::from_secs(10);

/// The longest time without an advance of the mesh's time. In a backlog, some lease is always new.
const LONGEST_STAND: Duration = Duration::from_secs(30);

/// How long a process may take to be killed at its point, while the mesh's time is moved.
const LONGEST_KILL: Duration = Duration::from_mins(1);

impl Mesh {
    /// Moves the mesh's time. Notifications is first: work that becomes due elsewhere calls it, and its leases would end at once.
    pub(crate) async fn advance(&self, by: TimeDelta) {
        for service in ["notifications", "support", "billing", "compliance"] {
            testing::advance(of(service, &self.databases), by).await;
        }
    }

    /// Whether it is time to move the mesh's time, which was moved last at this instant: nothing is due any more, or the patience
    /// with what is due is over. And no worker is at work: on a slow machine its lease would expire again and again.
    pub(crate) async fn must_move(&self, moved: Instant, patience: Duration) -> bool {
        must_move(&self.databases, self.started, moved, patience).await
    }

    /// Waits until a process has killed itself at the point that it was started with, and moves the mesh's time meanwhile.
    pub(crate) async fn killed_itself_in_time(&mut self, n: usize, point: FailPoint) {
        let begun = Instant::now();
        loop {
            let moved = Instant::now();
            let (databases, started) = (&self.databases, self.started);
            let process = self.replicas[n].process.as_mut().expect("it was started");
            let is_time = || must_move(databases, started, moved, MOVE_TIME);
            let ended = eventually("the process is killed, or it is time to move time", || {
                let (ended, is_time) = (process.ended().is_some(), is_time());
                async move { (ended || is_time.await).then_some(ended) }
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
        let (billing, notifications) = (self.billing(), self.notifications());
        // The next step of a flow waits for its day, and is not unfinished work until then.
        let calls = "SELECT count(*) FROM runtime.work
                     WHERE state = 'WAITING'
                       AND (attempts > 0 OR due_time < create_time + interval '1 hour' OR due_time <= runtime.now())";
        let events = count(billing, "SELECT count(*) FROM stripe_events WHERE state = 'PENDING'").await?;
        if events > 0 {
            return Some(events);
        }
        let messages = count(notifications, "SELECT count(*) FROM messages WHERE state = 'PENDING'").await?;
        Some(messages + count(billing, calls).await? + count(notifications, calls).await?)
    }
}

async fn must_move(databases: &[Db], started: Instant, moved: Instant, patience: Duration) -> bool {
    let waited = moved.elapsed();
    let due_to_move = waited > patience || (waited > MOVE_IDLE_TIME && due(databases).await == Some(0));
    due_to_move
        && (waited > LONGEST_STAND || worked_on(databases, started).await.is_none_or(|leases| leases == 0))
}

/// How many leases live workers hold. A killed process claimed its leases before the last process was started. `None` while a
/// database does not answer.
async fn worked_on(databases: &[Db], started: Instant) -> Option<i64> {
    let left = LEASE.saturating_sub(LONGEST_WORK.min(started.elapsed())).as_secs_f64();
    let held = "SELECT (SELECT count(*) FROM runtime.work
                        WHERE state = 'WAITING' AND leased_until > runtime.now() + make_interval(secs => $1))
                     + (SELECT count(*) FROM runtime.leases
                        WHERE leased_until > runtime.now() + make_interval(secs => $1))";
    let mut leases = 0;
    for db in databases {
        leases += sqlx::query_scalar::<_, i64>(held).bind(left).fetch_one(db.pool()).await.ok()?;
    }
    Some(leases)
}

/// How many pieces of work are due, also those that a process has claimed. `None` while a database does not answer.
async fn due(databases: &[Db]) -> Option<i64> {
    let events = "SELECT count(*) FROM stripe_events WHERE state = 'PENDING' AND due_time <= runtime.now()";
    let mut due = count(of("billing", databases), events).await?;
    for db in databases {
        let calls = "SELECT count(*) FROM runtime.work WHERE state = 'WAITING' AND due_time <= runtime.now()";
        due += count(db, calls).await?;
    }
    Some(due)
}

async fn count(db: &Db, query: &'static str) -> Option<i64> {
    sqlx::query_scalar(query).fetch_one(db.pool()).await.ok()
}
