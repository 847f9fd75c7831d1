//! The steps of every RPC that changes something, in one call, so that no handler can forget one.

use std::fmt::Display;

use prost::Message;

use super::State;
use crate::{
    audit,
    context::Ctx,
    db::{DbError, Tx},
    idempotency::{self, Claim, IdempotencyError},
};

/// The result of a mutation: its response, and its audit entry.
pub struct Done<R> {
    response: R,
    /// The action, and the ids of the changed objects.
    entry: Option<(&'static str, Vec<(&'static str, String)>)>,
}

impl<R> Done<R> {
    /// The audit entry says that the caller did this action to the things with these ids. Ids are never personal data.
    pub fn audited(response: R, action: &'static str, ids: &[(&'static str, &dyn Display)]) -> Self {
        let ids = ids.iter().map(|(name, id)| (*name, id.to_string())).collect();
        Self { response, entry: Some((action, ids)) }
    }

    /// Writes no audit entry. `_reason` tells readers of the code why, for example that only services make this call.
    pub fn unaudited(response: R, _reason: &'static str) -> Self {
        Self { response, entry: None }
    }
}

/// Runs the work in a transaction, once per idempotency key: a call with a used key gets the first call's response. The transaction
/// also writes the audit entry. `Tx::after_commit` takes metrics, logs and wake-ups. A work that fails changes nothing.
pub async fn mutate<S, Req, Res, E>(
    state: &S,
    ctx: &Ctx,
    request: &Req,
    work: impl AsyncFnOnce(&mut Tx) -> Result<Done<Res>, E>,
) -> Result<Res, E>
where
    S: State,
    Req: Message,
    Res: Message + Default,
    E: From<DbError> + From<IdempotencyError>,
{
    let mut tx = state.chassis().db.begin().await?;
    tx.set_locale(ctx.locale());
    let first_call = match idempotency::claim(&mut tx, ctx, request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(first_call) => first_call,
    };
    let Done { response, entry } = work(&mut tx).await?;
    first_call.remember(&mut tx, &response).await?;
    if let Some((action, ids)) = entry {
        let ids: Vec<_> = ids.iter().map(|(name, id)| (*name, id.as_str())).collect();
        audit::append(&mut tx, &ctx.actor, action, &ids).await?;
    }
    tx.commit().await?;
    Ok(response)
}
