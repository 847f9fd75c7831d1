//! Makes a call with a key once: the transaction of the effect also stores the answer, and a repeated call gets that answer.
//!
//! The semantics are those of draft-ietf-httpapi-idempotency-key-header. The same key with another request is refused. While
//! the first call runs, a second call gets an error that asks for a retry. A try-lock decides, so a crash leaves no lock.

use chrono::TimeDelta;
use prost::Message;

use crate::{
    context::{Actor, Ctx},
    db::{DbError, Tx},
    error::Invalid,
    fail_point, service_error,
};

/// How long answers to users are stored.
const KEEP_FOR_USERS: TimeDelta = TimeDelta::hours(24);
/// How long answers to services are stored: far longer than a deferred call can wait.
const KEEP_FOR_SERVICES: TimeDelta = TimeDelta::days(90);

/// Whether the call must be made, or was made before.
pub enum Claim<R> {
    /// The call must be made. Its answer must be stored in the same transaction.
    Fresh(FirstCall),
    /// The call was made before, with this answer.
    Replay(R),
}

/// A call that is made for the first time. It stores its answer under its key. Without a key it stores nothing.
pub struct FirstCall(Option<Record>);

struct Record {
    caller: String,
    rpc: String,
    key: String,
    request_hash: Vec<u8>,
    keep: TimeDelta,
}

service_error! {
    /// Why a call with a key is not made.
    #[derive(Debug, thiserror::Error)]
    pub enum IdempotencyError {
        /// The first call with this key is still running.
        #[error("a call with this idempotency key is in progress; try again in a second")]
        InFlight => Aborted "IDEMPOTENCY_KEY_IN_FLIGHT" after 1 s,
        /// The key was used before with another request.
        #[error("this idempotency key was used before with another request")]
        KeyReused(#[source] Invalid) => FailedPrecondition "IDEMPOTENCY_KEY_REUSED" + source,
        /// The database failed.
        #[error(transparent)]
        Database(#[from] DbError) => source,
        /// A stored response cannot be read.
        #[error("a stored response cannot be read")]
        Unreadable(#[source] prost::DecodeError) => Internal "INTERNAL",
    }
}

impl IdempotencyError {
    /// The key was used before with another request. The error names the field.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::KeyReused(Invalid::of("idempotency-key", "expected a key that no other request has used"))
    }
}

/// The hash of a request: two calls with the same key must have the same hash.
#[must_use]
pub fn request_hash<Req: Message>(request: &Req) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, &request.encode_to_vec()).as_ref().to_vec()
}

/// Claims the call's key, or finds the stored response.
pub async fn claim<Req: Message, Res: Message + Default>(
    tx: &mut Tx,
    ctx: &Ctx,
    request: &Req,
) -> Result<Claim<Res>, IdempotencyError> {
    let Some(key) = &ctx.idempotency_key else { return Ok(Claim::Fresh(FirstCall(None))) };
    let record = Record {
        caller: ctx.actor.name(),
        rpc: ctx.method.rpc.clone(),
        key: key.clone(),
        request_hash: request_hash(request),
        keep: match ctx.actor {
            Actor::Service(_) => KEEP_FOR_SERVICES,
            Actor::User(_) | Actor::Anonymous => KEEP_FOR_USERS,
        },
    };
    let scope = format!("{}\n{}\n{}", record.caller, record.rpc, record.key);
    let locked = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "locked!""#,
        scope
    )
    .fetch_one(&mut **tx)
    .await
    .map_err(DbError::from)?;
    let known = sqlx::query!(
        "SELECT request_hash, response FROM runtime.idempotency_records
         WHERE caller = $1 AND rpc = $2 AND idempotency_key = $3 AND expire_time > runtime.now()",
        record.caller,
        record.rpc,
        record.key,
    )
    .fetch_optional(&mut **tx)
    .await
    .map_err(DbError::from)?;
    // A stored response is returned even if another call has the lock: a replayed call may still have it.
    match known {
        None if !locked => Err(IdempotencyError::InFlight),
        None => {
            fail_point::IDEMPOTENCY_CLAIMED.reached();
            Ok(Claim::Fresh(FirstCall(Some(record))))
        }
        Some(known) if known.request_hash != record.request_hash => Err(IdempotencyError::key_reused()),
        Some(known) => {
            Res::decode(known.response.as_slice()).map(Claim::Replay).map_err(IdempotencyError::Unreadable)
        }
    }
}

impl FirstCall {
    /// Stores the answer. Call it in the transaction of the effect.
    pub async fn remember<Res: Message>(self, tx: &mut Tx, response: &Res) -> Result<(), DbError> {
        let Some(record) = self.0 else { return Ok(()) };
        let now = tx.now().await?;
        // Replaces an expired record, which may still exist.
        sqlx::query!(
            "INSERT INTO runtime.idempotency_records
                 (caller, rpc, idempotency_key, request_hash, response, create_time, expire_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (caller, rpc, idempotency_key) DO UPDATE
             SET request_hash = excluded.request_hash, response = excluded.response,
                 create_time = excluded.create_time, expire_time = excluded.expire_time",
            record.caller,
            record.rpc,
            record.key,
            record.request_hash,
            response.encode_to_vec(),
            now,
            now + record.keep,
        )
        .execute(&mut **tx)
        .await?;
        fail_point::IDEMPOTENCY_REMEMBERED.reached();
        Ok(())
    }
}

/// Removes up to `limit` expired records. Returns how many.
pub(crate) async fn purge(conn: &mut sqlx::PgConnection, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT caller, rpc, idempotency_key FROM runtime.idempotency_records
             WHERE expire_time <= runtime.now()
             LIMIT $1
             FOR UPDATE SKIP LOCKED
         )
         DELETE FROM runtime.idempotency_records AS record USING old
         WHERE record.caller = ANY (ARRAY[old.caller]) AND record.rpc = old.rpc
           AND record.idempotency_key = old.idempotency_key",
        limit,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
