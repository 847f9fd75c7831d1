//! Creates a data request of the person who is signed in. The work on a copy begins at once; an erasure waits for its approval; an
//! objection has effect at once.

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
    domain::{
        asked::{Asked, Fields},
        data_request::DataRequest,
    },
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
    let Command { asked } = (&request).try_into()?;
    let entitlement = asked.entitlement;
    compliance.can_fulfil(entitlement)?;
    let (sub, email) = person(&ctx.actor)?;
    mutate(compliance, &ctx, &request, async |tx| {
        data_requests::hold(tx, email.as_str()).await?;
        let now = tx.now().await?;
        if data_requests::made_since(tx, entitlement, Some(sub), email.as_str(), now - PAUSE).await? {
            return Err(Error::DataRequestToday);
        }
        let made = DataRequest::of_account(sub, email.clone(), entitlement, now);
        let mut made = made.asking(asked);
        data_requests::insert(tx, &made).await?;
        requests::begin(compliance, tx, &ctx, &mut made).await?;
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
    asked: Asked,
}

impl TryFrom<&CreateDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let fields = Fields {
            right: request.right,
            corrected_name: &request.corrected_name,
            wrong_email: &request.wrong_email,
            objection_scope: request.objection_scope,
            objection_ends: request.objection_ends,
            withdrawn: &request.withdrawn,
            ..Fields::default()
        };
        let asked = Asked::read(&mut violations, &fields);
        violations.finish(asked.map(|asked| Self { asked }))
    }
}
