//! Limits how often one caller may call the RPCs that guard codes (class CODE). The calls are counted in the service's database, so more
//! replicas or a restart do not allow more attempts. In each window, one caller can make only the number of calls of the rate.

use std::time::Duration;

use http::HeaderMap;

use crate::{
    actor::{Actor, Role},
    context::CLIENT_ADDRESS,
    db::{Db, DbError},
    pseudonyms::CallerHashes,
    rate::CodeRate,
    service_error,
};

/// The limit of one service.
pub struct CodeLimit {
    db: Db,
    hashes: CallerHashes,
    rate: CodeRate,
}

service_error! {
    /// Why a call that guards a code is not made.
    #[derive(Debug, thiserror::Error)]
    pub enum CodeLimitError {
        /// The caller has made too many such calls. The gateway, which has its own limit, uses the same message.
        #[error("too many requests; try again after the time in the Retry-After header")]
        Exceeded(Duration) => RateLimited "RATE_LIMITED" after |left| Some(*left),
        /// The call cannot be counted.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

impl CodeLimit {
    /// Creates the limit of a service with this database.
    pub(crate) fn new(db: Db, hashes: CallerHashes, rate: CodeRate) -> Self {
        Self { db, hashes, rate }
    }

    /// Counts a call of this caller, or refuses it. A refused call does not count. Anonymous callers are distinguished by the address that
    /// the gateway sends; those without one count as one caller.
    pub(crate) async fn count(&self, actor: &Actor, headers: &HeaderMap) -> Result<(), CodeLimitError> {
        let CodeRate { on: true, rate } = self.rate else { return Ok(()) };
        let rate = match actor {
            Actor::User(user) if user.role >= Role::Staff => rate.of_staff(),
            Actor::User(_) | Actor::Service(_) | Actor::Anonymous => rate,
        };
        let address = headers.get(CLIENT_ADDRESS).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let caller = match actor {
            Actor::User(_) | Actor::Service(_) => actor.name(),
            Actor::Anonymous => format!("address:{address}"),
        };
        let hash = self.hashes.of(&caller);
        let (most, window) =
            (i32::try_from(rate.requests.get()).unwrap_or(i32::MAX), rate.window.as_secs_f64());
        let mut conn = self.db.acquire().await?;
        // The upsert locks the row of the caller. So concurrent calls, also on several replicas, are counted one after the other.
        let counted = sqlx::query_scalar!(
            r#"INSERT INTO runtime.code_callers AS known (caller_hash, call_times, expire_time)
               VALUES ($1, ARRAY[runtime.now()], runtime.now() + make_interval(secs => $3))
               ON CONFLICT (caller_hash) DO UPDATE
               SET call_times = (array_prepend(runtime.now(), known.call_times))[1:$2::integer], expire_time = excluded.expire_time
               WHERE known.call_times[$2] IS NULL OR known.call_times[$2] <= runtime.now() - make_interval(secs => $3)
               RETURNING true AS "counted!""#,
            hash.as_slice(),
            most,
            window,
        )
        .fetch_optional(&mut *conn)
        .await
        .map_err(DbError::from)?;
        if counted.is_some() {
            return Ok(());
        }
        let left = sqlx::query_scalar!(
            r#"SELECT coalesce(extract(epoch FROM call_times[$2::integer] - runtime.now())::double precision + $3, 0) AS "left!"
               FROM runtime.code_callers WHERE caller_hash = $1"#,
            hash.as_slice(),
            most,
            window,
        )
        .fetch_optional(&mut *conn)
        .await
        .map_err(DbError::from)?;
        let left = Duration::try_from_secs_f64(left.unwrap_or_default()).unwrap_or_default();
        Err(CodeLimitError::Exceeded(left))
    }
}

/// Removes up to `limit` callers whose calls are too old to count. Returns how many.
pub(crate) async fn purge(conn: &mut sqlx::PgConnection, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT caller_hash FROM runtime.code_callers
             WHERE expire_time <= runtime.now()
             LIMIT $1
             FOR UPDATE SKIP LOCKED
         )
         DELETE FROM runtime.code_callers AS known USING old
         WHERE known.caller_hash = ANY (ARRAY[old.caller_hash])",
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
