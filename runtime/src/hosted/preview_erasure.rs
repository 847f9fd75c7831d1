//! Shows what an erasure would do to the rows of a subject, and why it would have to wait. Compliance calls it.

use levqor_proto_runtime::v1::{ErasureObstacle, PreviewErasureRequest, PreviewErasureResponse};
use uuid::Uuid;

use super::{Error, Hosted, subject};
use crate::{
    context::Ctx,
    privacy::{self, HoldKind, LEGAL_HOLD, Obstacle},
    rpc::State,
    service::Service,
};

pub(super) async fn preview_erasure<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: PreviewErasureRequest,
) -> Result<PreviewErasureResponse, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let wanted = subject::wanted(hosted, &mut conn, request.subject.as_ref()).await?;
    let plans = privacy::plans(&mut conn, &wanted.catalogue, &wanted.search).await?;
    let mut obstacles = hosted.service.obstacles(&mut conn, &wanted.subject).await?;
    let holds = privacy::standing_holds(&mut conn, HoldKind::LegalHold, &wanted.subject).await?;
    let held = |id: Uuid| Obstacle { reason: LEGAL_HOLD, about: id.hyphenated().to_string() };
    obstacles.extend(holds.into_iter().map(held));
    let obstacle = |it: Obstacle| ErasureObstacle { reason: it.reason.to_owned(), about: it.about };
    Ok(PreviewErasureResponse { plans, obstacles: obstacles.into_iter().map(obstacle).collect() })
}
