//! Deferred calls: RPCs that are stored in the caller's transaction and made after the commit, at least once, with backoff. The
//! receiver uses the key to make the effect once. Effects between services, background work and schedules use deferred calls.

mod count;
mod delivery;
mod given_up;
pub(crate) mod notice;
mod permits;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use prost::{Message, Name};
use sqlx::PgConnection;

pub(crate) use self::given_up::OnGivenUp;
pub use self::{delivery::Delivery, given_up::GivenUp};

use crate::{
    access::{self, KeyRule, Method, Repeat},
    db::{DbError, Tx},
    fail_point, id, telemetry,
};

/// Defers a call that is due now: it is made as soon as the transaction is committed. The request's type selects the RPC. A second call
/// of the same RPC and key has no effect while the first call waits. After that the receiver replays its stored response.
pub async fn defer<R: Message + Name>(
    tx: &mut Tx,
    request: &R,
    key: impl Into<String>,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    defer_at(tx, request, key, now).await
}

/// Defers a call to a time.
pub async fn defer_at<R: Message + Name>(
    tx: &mut Tx,
    request: &R,
    key: impl Into<String>,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    defer_in_lane(tx, request, key, at, Lane::MAIN).await
}

/// A lane: deferred calls of one package that have their own permits. It is for calls that may come in great numbers. They do not delay
/// other calls of their package. The name is stored with each call, so it must never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(pub &'static str);

impl Lane {
    /// The lane of all other calls.
    pub const MAIN: Self = Self("");
}

/// Defers a call in this lane to a time.
pub async fn defer_in_lane<R: Message + Name>(
    tx: &mut Tx,
    request: &R,
    key: impl Into<String>,
    at: DateTime<Utc>,
    lane: Lane,
) -> Result<(), DbError> {
    defer_encoded(tx, &R::full_name(), request.encode_to_vec(), key.into(), at, lane).await
}

/// Whether the deferred call of this RPC with this key still waits to be made. A dead one does not.
pub async fn is_waiting<R: Message + Name>(conn: &mut PgConnection, key: &str) -> Result<bool, DbError> {
    store::is_waiting(conn, &method(&R::full_name())?.rpc, key).await
}

/// Defers a call whose request is already encoded.
pub(crate) async fn defer_encoded(
    tx: &mut Tx,
    request_type: &str,
    request: Vec<u8>,
    key: String,
    at: DateTime<Utc>,
    lane: Lane,
) -> Result<(), DbError> {
    let method = method(request_type)?;
    // A deferred call can be made more than once, so it must be repeatable: by its key, or because it is idempotent.
    let repeatable = method.key != KeyRule::Ignored || method.repeat != Repeat::Unknown;
    if !repeatable || !id::is_idempotency_key(&key) {
        return Err(misuse(format!("{} cannot be deferred with this key", method.rpc)));
    }
    let now = tx.now().await?;
    let call = store::NewCall {
        work_id: store::CallId::new_at(now).as_uuid(),
        rpc: &method.rpc,
        request: &request,
        idempotency_key: &key,
        due_time: at,
        create_time: now,
        trace_parent: &telemetry::current_trace_parent(),
        lane: lane.0,
    };
    store::insert(tx, &call).await?;
    fail_point::DEFERRED_WRITTEN.reached();
    tx.mark_deferring();
    Ok(())
}

/// The RPC with this type of request.
fn method(request_type: &str) -> Result<&'static Method, DbError> {
    let method = access::methods().by_request(request_type);
    method.ok_or_else(|| misuse(format!("{request_type} is not the request of any RPC")))
}

/// A mistake in the code that defers. Its first test finds it.
fn misuse(what: String) -> DbError {
    DbError::Statement(sqlx::Error::Configuration(what.into()))
}
