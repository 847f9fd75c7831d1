//! Runs an erasure that is due. This service calls it again and again until the erasure is complete. It works without `mutate`,
//! because each step asks other services, and is committed by itself: a call after a crash continues with the step that was not
//! committed.

use levqor_proto_compliance::v1::{RunErasureRequest, RunErasureResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    db,
    request::id,
};

use crate::{
    Compliance,
    domain::{data_request::State, erasure::Progress},
    erasing::Erasing,
    error::Error,
    store::{data_requests, erasures},
};

pub(super) async fn run_erasure(
    compliance: &Compliance,
    ctx: Ctx,
    request: RunErasureRequest,
) -> Result<RunErasureResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    loop {
        let mut conn = compliance.chassis.db.acquire().await?;
        let now = db::now(&mut conn).await?;
        let found =
            data_requests::get(&mut conn, &Scope::All, id).await?.ok_or(Error::DataRequestNotFound)?;
        let erasure = erasures::get(&mut conn, id).await?.ok_or(Error::DataRequestNotFound)?;
        drop(conn);
        let is_due = found.erase_time.is_some_and(|due| due <= now);
        if found.state.is_over() || !is_due {
            return Ok(RunErasureResponse { state: found.state.into() });
        }
        let progress = erasure.progress;
        let mut erasing = Erasing::new(compliance, &ctx, found, erasure);
        let paused = erasing.pause().await?;
        let state = if paused.is_some() { paused } else { step(&mut erasing, progress).await? };
        if let Some(state) = state {
            return Ok(RunErasureResponse { state: state.into() });
        }
    }
}

/// Takes one step. Returns the state of the request if nothing more happens in this call.
async fn step(erasing: &mut Erasing<'_>, progress: Progress) -> Result<Option<State>, Error> {
    match progress {
        Progress::Approved => erasing.begin().await,
        Progress::Erasing => erasing.erase_and_tell().await.map(Some),
        Progress::Told => erasing.erase_mails_and_record().await.map(|()| None),
        Progress::Recorded => erasing.finish().await.map(Some),
        Progress::Complete => Ok(Some(State::Done)),
    }
}
