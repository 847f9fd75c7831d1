//! Creates a data request for a mail address, and mails a code to it. Anybody may call it for any address: nothing is looked up that
//! tells whether the address is known, and the answer is the same for every address. A request that sends no code does the same work, but
//! for the mail.

use levqor_proto_compliance::v1::{CreateMailedDataRequestRequest, CreateMailedDataRequestResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::create_data_request::PAUSE;
use crate::{
    Compliance, codes,
    domain::{
        asked::{Asked, Fields},
        code::Purpose,
        data_request::{DataRequest, Step},
    },
    error::Error,
    store::data_requests,
};

pub(super) async fn create_mailed_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: CreateMailedDataRequestRequest,
) -> Result<CreateMailedDataRequestResponse, Error> {
    let Command { email, asked } = (&request).try_into()?;
    let entitlement = asked.entitlement;
    compliance.can_fulfil(entitlement)?;
    mutate(compliance, &ctx, &request, async |tx| {
        data_requests::hold(tx, email.as_str()).await?;
        let now = tx.now().await?;
        let mut made = DataRequest::of_mail(email.clone(), entitlement, now).asking(asked);
        let response = CreateMailedDataRequestResponse { data_request_id: made.id.to_string() };
        if data_requests::made_since(tx, entitlement, None, email.as_str(), now - PAUSE).await? {
            // One code a day, and one for a declaration that has no effect yet. The caller, who may be anybody, does not learn of it.
            made.take(Step::Expire, now)?;
            data_requests::insert(tx, &made).await?;
            codes::make(tx, made.id, Purpose::Confirmation).await?;
        } else {
            data_requests::insert(tx, &made).await?;
            codes::send(tx, &made, Purpose::Confirmation).await?;
        }
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

/// A valid request.
struct Command {
    email: Email,
    asked: Asked,
}

impl TryFrom<&CreateMailedDataRequestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateMailedDataRequestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        let fields = Fields {
            right: request.right,
            corrected_name: &request.corrected_name,
            wrong_email: &request.wrong_email,
            objection_scope: request.objection_scope,
            objection_ends: request.objection_ends,
            withdrawn: &request.withdrawn,
            shown_version: &request.shown_version,
            shown_text: &request.shown_text,
        };
        let asked = Asked::read(&mut violations, &fields);
        violations.finish(email.zip(asked).map(|(email, asked)| Self { email, asked }))
    }
}
