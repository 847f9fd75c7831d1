//! The frame of an RPC that changes something: key, replay, work, remember, audit and commit are one call, so that no handler
//! can forget one of them.

use std::fmt::Display;

use prost::Message;

use super::State;
use crate::{
    audit,
    context::Ctx,
    db::{DbError, Tx},
    idempotency::{self, Claim, IdempotencyError},
};

/// What a mutation did: its response, and what the audit chain is told.
pub struct Done<R> {
    response: R,
    entry: Option<Entry>,
}

struct Entry {
    action: &'static str,
    ids: Vec<(&'static str, String)>,
}

impl<R> Done<R> {
    /// The audit chain is told that the caller did this to the things with these ids, which are never personal data.
    pub fn audited(response: R, action: &'static str, ids: &[(&'static str, &dyn Display)]) -> Self {
        let ids = ids.iter().map(|(name, id)| (*name, id.to_string())).collect();
        Self { response, entry: Some(Entry { action, ids }) }
    }

    /// The audit chain is told nothing, and readers of the code are told why: only services make this call, say.
    pub fn unaudited(response: R, _reason: &'static str) -> Self {
        Self { response, entry: None }
    }
}

/// Runs the work in a transaction, once per idempotency key: a call whose key was used before gets the response of then. The
/// response is remembered, and the audit entry written, in the same transaction. What is to happen after the commit (metrics,
/// logs, wake-ups) the work gives to `Tx::after_commit`. A work that fails leaves nothing behind.
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
    let ticket = match idempotency::claim(&mut tx, ctx, request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let Done { response, entry } = work(&mut tx).await?;
    ticket.remember(&mut tx, &response).await?;
    if let Some(Entry { action, ids }) = entry {
        let ids: Vec<_> = ids.iter().map(|(name, id)| (*name, id.as_str())).collect();
        audit::append(&mut tx, &ctx.actor, action, &ids).await?;
    }
    tx.commit().await?;
    Ok(response)
}
