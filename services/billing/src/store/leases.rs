//! Leases of the Stripe journal (`runtime.leases`, keys with the prefix `stripe:`): one worker per key.

use levqor_runtime::{
    db::DbError,
    work::{self, Drawn},
};
use sqlx::{PgConnection, postgres::types::PgInterval};

/// The right to work on a key until it expires and another worker claims it.
#[derive(Clone)]
pub struct Lease {
    /// The lease key of the events, without the prefix.
    pub(crate) key: String,
    /// New with every claim.
    pub(crate) fence: i64,
    /// The lease before this one expired: its worker was killed, panicked or could not settle, or the answer to its claim was
    /// lost.
    pub(crate) lapsed: bool,
}

/// Claims up to `limit` keys that have due events and no live lease, the longest-due first. The row makes sure that two claimers
/// never get the same key. Claimers lock rows in the order of the keys, so they cannot deadlock. A lease does not count as live
/// if this claimer took it but never got the answer.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    limit: i64,
    drawn: &Drawn<'_>,
) -> Result<Vec<Lease>, DbError> {
    let lease = PgInterval::try_from(work::LEASE).unwrap_or_default();
    // The window over the longest-due events makes a claim cost the same for any backlog. Only events of leased keys add to the
    // cost. They are excluded before the window is cut, so a busy key hides the others only until it is leased.
    sqlx::query_as!(
        Lease,
        r#"
        WITH due AS (
            SELECT event.lease_key, event.due_time
            FROM stripe_events AS event
            WHERE event.state = 'PENDING'
              AND event.due_time <= runtime.now()
              AND NOT EXISTS (
                  SELECT 1 FROM runtime.leases AS lease
                  WHERE lease.key = ANY (ARRAY['stripe:' || event.lease_key])
                    AND lease.leased_until > runtime.now() AND lease.fence <> ALL ($4)
              )
            ORDER BY event.due_time
            LIMIT 100
        ),
        wanted AS (
            SELECT 'stripe:' || lease_key AS key FROM due GROUP BY lease_key ORDER BY min(due_time) LIMIT $1
        ),
        claimed AS (
            INSERT INTO runtime.leases AS lease (key, leased_until, fence)
            SELECT key, runtime.now() + $2, $3 FROM wanted ORDER BY key
            ON CONFLICT (key) DO UPDATE SET leased_until = excluded.leased_until, fence = excluded.fence
            WHERE lease.leased_until <= runtime.now() OR lease.fence = ANY ($4)
            RETURNING lease.key, lease.fence
        )
        -- The table reads as it was before this statement: whoever settles removes the lease, so one that was there
        -- ran out.
        SELECT substr(claimed.key, length('stripe:') + 1) AS "key!", claimed.fence AS "fence!",
               EXISTS (SELECT FROM runtime.leases AS before WHERE before.key = claimed.key) AS "lapsed!"
        FROM claimed
        "#,
        limit,
        lease,
        drawn.fence(),
        drawn.unanswered(),
    )
    .fetch_all(conn)
    .await
    .map_err(DbError::from)
}

/// Locks the lease until the transaction ends. Returns false if it was taken over or released: the caller must then change
/// nothing.
pub(crate) async fn hold(conn: &mut PgConnection, lease: &Lease) -> Result<bool, DbError> {
    let held = sqlx::query_scalar!(
        "SELECT fence FROM runtime.leases WHERE key = 'stripe:' || $1 AND fence = $2 FOR UPDATE",
        lease.key,
        lease.fence,
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

/// Releases the key, in the transaction that holds it.
pub(crate) async fn release(conn: &mut PgConnection, lease: &Lease) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM runtime.leases WHERE key = 'stripe:' || $1 AND fence = $2",
        lease.key,
        lease.fence
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a lease early, as if it had expired, because its work is not done.
pub(crate) async fn end(conn: &mut PgConnection, lease: &Lease) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE runtime.leases SET leased_until = runtime.now() WHERE key = 'stripe:' || $1 AND fence = $2",
        lease.key,
        lease.fence
    )
    .execute(conn)
    .await?;
    Ok(())
}
