//! Adds to a subject the identifiers in its rows of this service. Compliance calls it.

use levqor_proto_runtime::v1::{ResolveSubjectRequest, ResolveSubjectResponse};

use super::{Error, Hosted, subject};
use crate::{context::Ctx, privacy, rpc::State, service::Service};

pub(super) async fn resolve_subject<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: ResolveSubjectRequest,
) -> Result<ResolveSubjectResponse, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let wanted = subject::wanted(hosted, &mut conn, request.subject.as_ref()).await?;
    let found = privacy::resolve(&mut conn, &wanted.catalogue, &wanted.search, wanted.subject).await?;
    Ok(ResolveSubjectResponse { subject: Some(found.into()) })
}
