//! Gets the documents that the person who is signed in still has to accept.

use levqor_proto_compliance::v1::{GetPendingAcceptancesRequest, GetPendingAcceptancesResponse};
use levqor_runtime::{
    context::{Actor, Ctx, Scope},
    db,
};

use crate::{
    Compliance,
    domain::legal_document::{LegalDocument, pending},
    error::Error,
    store::{declarations, legal_documents},
};

pub(super) async fn get_pending_acceptances(
    compliance: &Compliance,
    ctx: Ctx,
    _: GetPendingAcceptancesRequest,
) -> Result<GetPendingAcceptancesResponse, Error> {
    // Also for staff it is about the person who calls.
    let scope = match &ctx.actor {
        Actor::User(user) => Scope::Own {
            sub: user.sub.clone(),
            email: user.email.clone().filter(|email| user.email_verified && email.may_claim()),
        },
        Actor::Anonymous | Actor::Service(_) => ctx.scope(),
    };
    compliance.legal.ready(&compliance.chassis.db).await?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let now = db::now(&mut conn).await?;
    let documents = legal_documents::all(&mut conn).await?;
    let accepted = declarations::accepted(&mut conn, &scope).await?;
    let missing = pending(&documents, &accepted, now);
    let shown = missing.into_iter().cloned().map(LegalDocument::without_text).collect();
    Ok(GetPendingAcceptancesResponse { legal_documents: shown })
}
