//! Calls with a key are made once: the answer is remembered in the transaction of the effect, and given again.
//!
//! Semantics of draft-ietf-httpapi-idempotency-key-header: the same key with another request is refused, and while the
//! first is still at work the second is told to come back. A try-lock decides, so a crash leaves nothing behind.

use std::time::Duration;

use chrono::TimeDelta;
use prost::Message;

use crate::{
    context::{Actor, Ctx},
    db::{DbError, Tx},
    error::{ErrorCode, ServiceError},
    fail_point,
};

/// How long answers to users are remembered.
const KEEP_FOR_USERS: TimeDelta = TimeDelta::hours(24);
/// How long answers to services are: longer than any deferred call lives, by far.
const KEEP_FOR_SERVICES: TimeDelta = TimeDelta::days(90);

/// Whether the call is to be made, or was.
pub enum Claim<R> {
    /// To be made; remember the answer with the ticket, in the same transaction.
    Fresh(Ticket),
    /// It was made: this was the answer.
    Replay(R),
}

/// The right to remember an answer. Without a key it remembers nothing.
pub struct Ticket(Option<Record>);

struct Record {
    caller: String,
    rpc: String,
    key: String,
    request_hash: Vec<u8>,
    keep: TimeDelta,
}

/// Why a keyed call is not made.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The first call with this key is still at work.
    #[error("a call with this idempotency key is still at work; try again in a second")]
    InFlight,
    /// The key came before with another request.
    #[error("this idempotency key was used before with another request")]
    KeyReused,
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A remembered answer cannot be read.
    #[error("a remembered answer cannot be read")]
    Unreadable(#[source] prost::DecodeError),
}

impl ServiceError for IdempotencyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InFlight => ErrorCode::Aborted,
            Self::KeyReused => ErrorCode::FailedPrecondition,
            Self::Database(error) => error.code(),
            Self::Unreadable(_) => ErrorCode::Internal,
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::InFlight => "IDEMPOTENCY_KEY_IN_FLIGHT",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::Database(error) => error.reason(),
            Self::Unreadable(_) => "INTERNAL",
        }
    }
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InFlight => Some(Duration::from_secs(1)),
            Self::Database(error) => error.retry_after(),
            Self::KeyReused | Self::Unreadable(_) => None,
        }
    }
}

/// Claims the call's key, or finds the answer that was given.
pub async fn claim<Req: Message, Res: Message + Default>(
    tx: &mut Tx,
    ctx: &Ctx,
    request: &Req,
) -> Result<Claim<Res>, IdempotencyError> {
    let Some(key) = &ctx.idempotency_key else { return Ok(Claim::Fresh(Ticket(None))) };
    let record = Record {
        caller: ctx.actor.name(),
        rpc: ctx.method.rpc.clone(),
        key: key.clone(),
        request_hash: ring::digest::digest(&ring::digest::SHA256, &request.encode_to_vec()).as_ref().to_vec(),
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
    // An answer that is there is given, whoever holds the lock: another who was given it may not have let go of it yet.
    match known {
        None if !locked => Err(IdempotencyError::InFlight),
        None => {
            fail_point::IDEMPOTENCY_CLAIMED.reached();
            Ok(Claim::Fresh(Ticket(Some(record))))
        }
        Some(known) if known.request_hash != record.request_hash => Err(IdempotencyError::KeyReused),
        Some(known) => {
            Res::decode(known.response.as_slice()).map(Claim::Replay).map_err(IdempotencyError::Unreadable)
        }
    }
}

impl Ticket {
    /// Remembers the answer. Call it in the transaction of the effect.
    pub async fn remember<Res: Message>(self, tx: &mut Tx, response: &Res) -> Result<(), DbError> {
        let Some(record) = self.0 else { return Ok(()) };
        let now = tx.now().await?;
        // A record past its time may still be there: it is replaced.
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

/// Removes up to `limit` records past their time; how many.
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
