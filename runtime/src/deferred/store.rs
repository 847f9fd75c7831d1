//! The table of deferred calls, `runtime.work`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use levqor_proto_runtime::v1::deferred_call;

use crate::{
    db::{DbError, ListTx, Listed, Page},
    typed_id, wire_enum,
    work::Drawn,
};

typed_id!(pub(crate) CallId, "a deferred call");

wire_enum! {
    /// The state of a deferred call.
    pub(crate) enum CallState: deferred_call::State {
        /// The call waits for its attempt.
        Waiting = "WAITING",
        /// All attempts failed, or the failure is final.
        Dead = "DEAD",
    }
}

/// A call to write.
pub(crate) struct NewCall<'a> {
    pub(crate) work_id: Uuid,
    pub(crate) rpc: &'a str,
    pub(crate) request: &'a [u8],
    pub(crate) idempotency_key: &'a str,
    pub(crate) due_time: DateTime<Utc>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) trace_parent: &'a str,
    /// The name of the lane. Empty for the main lane.
    pub(crate) lane: &'a str,
}

/// A claimed call. The fence proves the claim.
pub(crate) struct Claimed {
    pub(crate) work_id: Uuid,
    pub(crate) rpc: String,
    pub(crate) target: String,
    pub(crate) request: Vec<u8>,
    pub(crate) idempotency_key: String,
    pub(crate) attempts: i32,
    pub(crate) fence: i64,
    pub(crate) trace_parent: String,
}

impl Claimed {
    pub(crate) fn claim(&self) -> Claim {
        Claim { work_id: self.work_id, fence: self.fence }
    }
}

/// A call, for operators.
pub(crate) struct Row {
    pub(crate) work_id: Uuid,
    pub(crate) rpc: String,
    pub(crate) idempotency_key: String,
    pub(crate) state: String,
    pub(crate) due_time: DateTime<Utc>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) failure: String,
    pub(crate) trace_parent: String,
}

/// The number of waiting calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    pub(crate) waiting: i64,
    pub(crate) dead: i64,
    pub(crate) oldest_due_age_s: i64,
}

/// The backlog of deferred calls, for the metrics.
pub(crate) struct Backlog {
    pub(crate) due: i64,
    pub(crate) later: i64,
    pub(crate) dead: i64,
    pub(crate) oldest_due_age_s: f64,
}

pub(crate) async fn insert(conn: &mut PgConnection, call: &NewCall<'_>) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, due_time, create_time, trace_parent, lane)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT ON CONSTRAINT work_rpc_idempotency_key_key DO UPDATE
         SET request = excluded.request, state = 'WAITING', due_time = excluded.due_time, attempts = 0, failure = '',
             trace_parent = excluded.trace_parent, lane = excluded.lane
         WHERE work.state = 'DEAD'",
        call.work_id,
        call.rpc,
        call.request,
        call.idempotency_key,
        call.due_time,
        call.create_time,
        call.trace_parent,
        call.lane,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many calls a claim may take of each target.
pub(crate) struct ClaimLimits {
    /// The limit of each target that is not in `left`.
    pub(crate) most: usize,
    /// The limits of the named targets.
    pub(crate) left: Vec<(String, usize)>,
}

/// Claims due calls that no worker holds, oldest due time first. It claims no more calls of a target than the target has permits. It reads
/// each target through the index, so a long backlog of one target does not slow it down. The row lock decides between workers. The lease of
/// a dead worker expires. If this worker claimed calls before and never got the answer, those calls are free, and that attempt does not
/// count.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    limit: i64,
    lease_s: f64,
    limits: &ClaimLimits,
    drawn: &Drawn<'_>,
) -> Result<Vec<Claimed>, DbError> {
    let number = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
    let (targets, left): (Vec<_>, Vec<_>) =
        limits.left.iter().map(|(target, left)| (target.clone(), number(*left))).unzip();
    let claimed = sqlx::query_as!(
        Claimed,
        r#"WITH RECURSIVE targets AS (
               (SELECT target FROM runtime.work WHERE state = 'WAITING' ORDER BY target LIMIT 1)
               UNION ALL
               SELECT (SELECT next.target FROM runtime.work AS next
                       WHERE next.state = 'WAITING' AND next.target > targets.target
                       ORDER BY next.target LIMIT 1)
               FROM targets WHERE targets.target IS NOT NULL
           ), due AS (
               SELECT due.work_id
               FROM targets LEFT JOIN unnest($3::text[], $4::bigint[]) AS permits (target, free) USING (target),
                    LATERAL (SELECT w.work_id, w.due_time FROM runtime.work AS w
                             WHERE w.target = targets.target AND w.state = 'WAITING' AND w.due_time <= runtime.now()
                               AND (w.leased_until IS NULL OR w.leased_until <= runtime.now() OR w.fence = ANY ($7))
                             ORDER BY w.due_time LIMIT coalesce(permits.free, $5)
                             FOR UPDATE SKIP LOCKED) AS due
               ORDER BY due.due_time LIMIT $1
           )
           UPDATE runtime.work AS w
           SET leased_until = runtime.now() + make_interval(secs => $2), fence = $6,
               attempts = w.attempts + (w.fence <> ALL ($7))::integer
           FROM due WHERE w.work_id = ANY (ARRAY[due.work_id])
           RETURNING w.work_id, w.rpc, w.target AS "target!", w.request, w.idempotency_key, w.attempts, w.fence,
                     w.trace_parent"#,
        limit,
        lease_s,
        &targets,
        &left,
        number(limits.most),
        drawn.fence(),
        drawn.unanswered(),
    )
    .fetch_all(conn)
    .await?;
    Ok(claimed)
}

/// A claim on a call, proven by its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claim {
    pub(crate) work_id: Uuid,
    pub(crate) fence: i64,
}

/// Removes calls that were made. Returns false for a call whose lease was lost; that call stays unchanged.
pub(crate) async fn settle_done(conn: &mut PgConnection, calls: &[Claim]) -> Result<Vec<bool>, DbError> {
    let ids: Vec<_> = calls.iter().map(|call| call.work_id).collect();
    let fences: Vec<_> = calls.iter().map(|call| call.fence).collect();
    let done = sqlx::query_as!(
        Claim,
        "DELETE FROM runtime.work AS w USING unnest($1::uuid[], $2::bigint[]) AS call (work_id, fence)
         WHERE w.work_id = ANY (ARRAY[call.work_id]) AND w.fence = call.fence
         RETURNING w.work_id, w.fence",
        &ids,
        &fences,
    )
    .fetch_all(conn)
    .await?;
    let done: HashSet<_> = done.into_iter().collect();
    Ok(calls.iter().map(|call| done.contains(call)).collect())
}

/// Puts a call back to wait. Returns false if the lease was lost.
pub(crate) async fn settle_retry(
    conn: &mut PgConnection,
    call: &Claimed,
    delay_s: f64,
    failure: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE runtime.work
         SET due_time = runtime.now() + make_interval(secs => $3), leased_until = NULL, failure = $4
         WHERE work_id = $1 AND fence = $2",
        call.work_id,
        call.fence,
        delay_s,
        failure,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a call as dead. Returns false if the lease was lost.
pub(crate) async fn settle_dead(
    conn: &mut PgConnection,
    call: &Claimed,
    failure: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE runtime.work SET state = 'DEAD', leased_until = NULL, failure = $3 WHERE work_id = $1 AND fence = $2",
        call.work_id,
        call.fence,
        failure,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which calls to list.
pub(crate) struct Filter {
    pub(crate) state: Option<CallState>,
}

/// A page of calls, the oldest first.
pub(crate) async fn list(tx: &mut ListTx, filter: &Filter, page: &Page) -> Result<Vec<Listed<Row>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT work_id, rpc, idempotency_key, state, due_time, create_time, attempts, failure, trace_parent
           FROM runtime.work
           WHERE ($1::text IS NULL OR state = $1)
             AND ($2::timestamptz IS NULL OR (create_time, work_id) > ($2, $3::uuid))
           ORDER BY create_time, work_id LIMIT $4"#,
        filter.state.map(CallState::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("work", (row.create_time, row.work_id), Ok(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// Makes a waiting or dead call due now, and resets its attempts. Returns `None` if there is no such call, or if a worker holds it.
pub(crate) async fn replay(conn: &mut PgConnection, id: CallId) -> Result<Option<Row>, DbError> {
    let row = sqlx::query_as!(
        Row,
        r#"UPDATE runtime.work SET state = 'WAITING', due_time = runtime.now(), attempts = 0, failure = ''
           WHERE work_id = $1 AND (leased_until IS NULL OR leased_until <= runtime.now())
           RETURNING work_id, rpc, idempotency_key, state, due_time, create_time, attempts, failure, trace_parent"#,
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Whether the call of this RPC with this key waits to be made.
pub(crate) async fn is_waiting(conn: &mut PgConnection, rpc: &str, key: &str) -> Result<bool, DbError> {
    let waits = sqlx::query_scalar!(
        r#"SELECT state = 'WAITING' AS "waits!" FROM runtime.work WHERE rpc = $1 AND idempotency_key = $2"#,
        rpc,
        key,
    )
    .fetch_optional(conn)
    .await?;
    Ok(waits.unwrap_or_default())
}

/// Whether this call exists.
pub(crate) async fn exists(conn: &mut PgConnection, id: CallId) -> Result<bool, DbError> {
    let exists = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM runtime.work WHERE work_id = $1) AS "exists!""#,
        id.as_uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(exists)
}

/// Removes up to `limit` dead calls that are older than the keys that receivers store: a replay of such a call could repeat its effect.
pub(crate) async fn purge_dead(conn: &mut PgConnection, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT work_id FROM runtime.work
             WHERE state = 'DEAD' AND create_time < runtime.now() - interval '89 days'
             LIMIT $1
             FOR UPDATE SKIP LOCKED
         )
         DELETE FROM runtime.work USING old WHERE work.work_id = ANY (ARRAY[old.work_id])",
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Counts due, waiting and dead calls, each up to a limit. It reads in index order, so it never reads the rows beyond the limit.
pub(crate) async fn backlog(conn: &mut PgConnection) -> Result<Backlog, DbError> {
    let backlog = sqlx::query_as!(
        Backlog,
        r#"SELECT (SELECT count(*) FROM (SELECT FROM runtime.work WHERE state = 'WAITING' AND due_time <= runtime.now()
                                         ORDER BY due_time LIMIT 100000) AS d) AS "due!",
                  (SELECT count(*) FROM (SELECT FROM runtime.work WHERE state = 'WAITING' AND due_time > runtime.now()
                                         ORDER BY due_time LIMIT 100000) AS l) AS "later!",
                  (SELECT count(*) FROM (SELECT FROM runtime.work WHERE state = 'DEAD' LIMIT 100000) AS x) AS "dead!",
                  greatest(extract(epoch FROM runtime.now() - (
                      SELECT due_time FROM runtime.work WHERE state = 'WAITING' ORDER BY due_time LIMIT 1
                  )), 0)::double precision AS "oldest_due_age_s!""#,
    )
    .fetch_one(conn)
    .await?;
    Ok(backlog)
}

/// Counts up to a limit, so that a large backlog does not make this query slow.
pub(crate) async fn depth(conn: &mut PgConnection) -> Result<Depth, DbError> {
    let depth = sqlx::query_as!(
        Depth,
        r#"SELECT (SELECT count(*) FROM (SELECT FROM runtime.work WHERE state = 'WAITING' LIMIT 100000) AS w) AS "waiting!",
                  (SELECT count(*) FROM (SELECT FROM runtime.work WHERE state = 'DEAD' LIMIT 100000) AS d) AS "dead!",
                  greatest(extract(epoch FROM runtime.now() - (
                      SELECT due_time FROM runtime.work WHERE state = 'WAITING' ORDER BY due_time LIMIT 1
                  )), 0)::bigint AS "oldest_due_age_s!""#,
    )
    .fetch_one(conn)
    .await?;
    Ok(depth)
}
