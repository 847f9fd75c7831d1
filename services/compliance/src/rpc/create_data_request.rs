//! Creates a data request of the person who is signed in. The work on a copy begins at once; an erasure waits for its approval.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{CreateDataRequestRequest, CreateDataRequestResponse};
use levqor_runtime::{
    context::{Actor, Ctx, User},
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::data_request::{Correction, DataRequest, Entitlement, asked},
    error::Error,
    requests,
    store::data_requests,
};

/// How long a person waits before the next request.
pub(super) const PAUSE: TimeDelta = TimeDelta::days(1);

pub(super) async fn create_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: CreateDataRequestRequest,
) -> Result<CreateDataRequestResponse, Error> {
    let Command { entitlement, correction } = (&request).try_into()?;
    compliance.can_fulfil(entitlement)?;
    let (sub, email) = person(&ctx.actor)?;
    mutate(compliance, &ctx, &request, async |tx| {
        data_requests::hold(tx, email.as_str()).await?;
        let now = tx.now().await?;
        if data_requests::made_since(tx, Some(sub), email.as_str(), now - PAUSE).await? {
            return Err(Error::DataRequestToday);
        }
        let made = DataRequest::of_account(sub, email.clone(), entitlement, now);
        let made = made.correcting(correction);
        data_requests::insert(tx, &made).await?;
        requests::begin(tx, &made).await?;
        let id = made.id;
        let response = CreateDataRequestResponse { data_request: Some(requests::shown(tx, made).await?) };
        Ok(Done::audited(response, "data_request.create", &[("data_request_id", &id)]))
    })
    .await
}

/// The person who calls, and their verified address.
pub(super) fn person(actor: &Actor) -> Result<(&str, &Email), Error> {
    match actor {
        Actor::User(User { sub, email: Some(email), email_verified: true, .. }) if email.may_claim() => {
            Ok((sub, email))
        }
        Actor::User(_) | Actor::Anonymous | Actor::Service(_) => Err(Error::EmailNotVerified),
    }
}

/// A valid request.
struct Command {
    entitlement: Entitlement,
    correction: Correction,
}

impl TryFrom<&CreateDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let asked = asked(&mut violations, request.right, &request.corrected_name, &request.wrong_email);
        violations.finish(asked.map(|(entitlement, correction)| Self { entitlement, correction }))
    }
}
