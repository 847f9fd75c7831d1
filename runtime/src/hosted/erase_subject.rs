//! Erases the rows of a subject, some seconds per call. Compliance calls it again until the erasure is complete. It works without
//! `mutate`, because each batch of rows has its own commit. The id of the erasure makes a second call harmless.

use levqor_proto_runtime::v1::{EraseSubjectRequest, EraseSubjectResponse};

use super::{Error, Hosted, read_id, subject};
use crate::{
    context::Ctx,
    erased,
    privacy::{self, Erasure, Progress},
    rpc::State,
    service::Service,
};

pub(super) async fn erase_subject<S: Service>(
    hosted: &Hosted<S>,
    ctx: Ctx,
    request: EraseSubjectRequest,
) -> Result<EraseSubjectResponse, Error> {
    let erasure_id = read_id("erasure_id", &request.erasure_id, "an erasure")?;
    // The approved number of rows of each table. `None`: it is not compared.
    let approved = (!request.again).then(|| privacy::planned(&request.plans));
    let db = &hosted.chassis().db;
    let wanted = subject::wanted(hosted, &mut *db.acquire().await?, request.subject.as_ref()).await?;
    let erasure = Erasure {
        id: erasure_id,
        subject: &wanted.subject,
        catalogue: &wanted.catalogue,
        search: &wanted.search,
        waits: true,
    };
    let (complete, erased) = match privacy::erase(db, &erasure, approved.as_deref()).await? {
        Progress::Stale => return Err(Error::PreviewStale),
        Progress::Held => return Err(Error::Held),
        Progress::Partial(erased) => (false, erased),
        // The caller counts the remaining rows and calls again. The service gets `finish` only when no row remains.
        Progress::Waiting(erased) => (true, erased),
        Progress::Complete(erased) => {
            erased::finish(&*hosted.service, &ctx.actor, erasure_id, &wanted.subject, None).await?;
            (true, erased)
        }
    };
    Ok(EraseSubjectResponse { complete, erased: subject::table_rows(erased) })
}
