//! Runs a correction that staff accepted. This service calls it, again and again until every service is done. It works without `mutate`,
//! because it asks other services: a service that is done gives its receipt again.

use levqor_proto_compliance::v1::{RunRectificationRequest, RunRectificationResponse};
use levqor_proto_runtime::v1::{RectifySubjectRequest, Subject};
use levqor_runtime::{
    context::{Ctx, Scope},
    email::Email,
    request::id,
};

use crate::{
    Compliance,
    domain::{
        asked::{CorrectedName, Correction},
        data_request::{DataRequest, State, Step},
        erasure::Receipt,
    },
    error::Error,
    mails,
    peers::Peers,
    store::{data_requests, rectifications},
};

pub(super) async fn run_rectification(
    compliance: &Compliance,
    ctx: Ctx,
    request: RunRectificationRequest,
) -> Result<RunRectificationResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = data_requests::get(&mut conn, &Scope::All, id).await?.ok_or(Error::DataRequestNotFound)?;
    drop(conn);
    if found.state != State::InProgress || found.correction.is_empty() {
        return Ok(RunRectificationResponse { state: found.state.into() });
    }
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let receipts = correct(&peers, &found).await?;
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let locked = data_requests::lock(&mut tx, &Scope::All, id).await?;
    let mut corrected = locked.ok_or(Error::DataRequestNotFound)?;
    // Another call may have been faster.
    if corrected.state == State::InProgress {
        corrected.take(Step::Finish, now)?;
        data_requests::update(&mut tx, &corrected).await?;
        rectifications::complete(&mut tx, id, &receipts, now).await?;
        mails::rectified(&mut tx, &corrected).await?;
        tx.commit().await?;
    }
    Ok(RunRectificationResponse { state: corrected.state.into() })
}

/// Asks every service to correct its rows. Returns the number of corrected rows of each table.
async fn correct(peers: &Peers<'_>, request: &DataRequest) -> Result<Vec<Receipt>, Error> {
    let known = peers.resolve(request.subject.clone()).await?;
    let Correction { name, wrong_email } = &request.correction;
    let name = name.as_ref().map_or("", CorrectedName::as_str).to_owned();
    let wrong_email = wrong_email.as_ref().map_or("", Email::as_str).to_owned();
    let mut receipts = Vec::new();
    for service in peers.names() {
        loop {
            let asked = RectifySubjectRequest {
                service: service.to_owned(),
                rectification_id: request.id.to_string(),
                subject: Some(Subject::from(known.clone())),
                name: name.clone(),
                wrong_email: wrong_email.clone(),
                right_email: request.email.as_str().to_owned(),
            };
            let answer = peers.rectify(service, asked).await?;
            if answer.complete {
                receipts.extend(Receipt::of(service, answer.rectified));
                break;
            }
        }
    }
    Ok(receipts)
}
