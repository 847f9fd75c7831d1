//! Counts the rows of a subject that an erasure would still change. Compliance calls it after each erasure.

use levqor_proto_runtime::v1::{CountSubjectRequest, CountSubjectResponse};

use super::{Error, Hosted, subject};
use crate::{context::Ctx, privacy, rpc::State, service::Service};

pub(super) async fn count_subject<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: CountSubjectRequest,
) -> Result<CountSubjectResponse, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let wanted = subject::wanted(hosted, &mut conn, request.subject.as_ref()).await?;
    let left = privacy::left(&mut conn, &wanted.catalogue, &wanted.search).await?;
    Ok(CountSubjectResponse { left: subject::table_rows(left) })
}
