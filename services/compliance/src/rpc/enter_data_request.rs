//! Enters a data request that came by letter, by phone or in a mail. Staff have made sure who the person is.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_compliance::v1::{EnterDataRequestRequest, EnterDataRequestResponse};
use levqor_runtime::{
    context::Ctx,
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

/// How long ago a letter may have come.
const OLDEST: TimeDelta = TimeDelta::days(90);

pub(super) async fn enter_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: EnterDataRequestRequest,
) -> Result<EnterDataRequestResponse, Error> {
    let Command { email, asked, receive_time } = (&request).try_into()?;
    compliance.can_fulfil(asked.entitlement)?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let receive_time = receive_time.unwrap_or(now);
        if receive_time > now || now - receive_time > OLDEST {
            return Err(Invalid::of("receive_time", "expected a time within the last 90 days").into());
        }
        let entered = DataRequest::of_staff(email, asked.entitlement, receive_time);
        let mut entered = entered.asking(asked);
        data_requests::insert(tx, &entered).await?;
        requests::begin(compliance, tx, &ctx, &mut entered).await?;
        let id = entered.id;
        let response = EnterDataRequestResponse { data_request: Some(requests::shown(tx, entered).await?) };
        Ok(Done::audited(response, "data_request.enter", &[("data_request_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    email: Email,
    asked: Asked,
    receive_time: Option<DateTime<Utc>>,
}

impl TryFrom<&EnterDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &EnterDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
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
        let receive_time = violations.filter_time("receive_time", request.receive_time.as_ref());
        violations.finish(email.zip(asked).map(|(email, asked)| Self { email, asked, receive_time }))
    }
}
