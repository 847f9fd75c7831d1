//! Deferred calls: an RPC written in the caller's transaction, made afterwards, at least once, with backoff; the
//! receiver makes it once by its key. The one mechanism for effects between services, background work and schedules.

mod count;
mod delivery;
mod places;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use prost::{Message, Name};

pub use delivery::Delivery;

use crate::{
    access::{self, KeyRule, Repeat},
    db::{DbError, Tx},
    fail_point, id, telemetry,
};

/// Defers a call to now: it is made as soon as the transaction is committed. The RPC is the one that takes this request.
/// The same RPC and key again changes nothing while the first waits, and is answered from memory by the receiver after.
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
    defer_encoded(tx, &R::full_name(), request.encode_to_vec(), key.into(), at).await
}

/// Defers a call whose request is encoded already.
pub(crate) async fn defer_encoded(
    tx: &mut Tx,
    request_type: &str,
    request: Vec<u8>,
    key: String,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    let Some(method) = access::methods().by_request(request_type) else {
        // Only messages that are no request of any RPC get here: a mistake in the code, found by its first test.
        return Err(misuse(format!("{request_type} is not the request of any RPC")));
    };
    // A call that is made again must be one that may be: by its key, or by its nature.
    let repeatable = method.key != KeyRule::Ignored || method.repeat != Repeat::Unknown;
    let sound = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !repeatable || !sound {
        return Err(misuse(format!("{} cannot be deferred with this key", method.rpc)));
    }
    let now = tx.now().await?;
    let call = store::NewCall {
        work_id: id::uuid_at(now),
        rpc: &method.rpc,
        request: &request,
        idempotency_key: &key,
        due_time: at,
        create_time: now,
        trace_parent: &telemetry::current_trace_parent(),
    };
    store::insert(tx, &call).await?;
    fail_point::DEFERRED_WRITTEN.reached();
    tx.mark_deferring();
    Ok(())
}

/// A mistake in the code that defers; its first test finds it.
fn misuse(what: String) -> DbError {
    DbError::Statement(sqlx::Error::Configuration(what.into()))
}
