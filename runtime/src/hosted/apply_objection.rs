//! Applies an objection of a person, or its end. Compliance defers this call to every service.

use levqor_proto_runtime::v1::{ApplyObjectionRequest, ApplyObjectionResponse};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    objections::{self, ObjectionChange},
    rpc::State,
    service::Service,
};

pub(super) async fn apply_objection<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: ApplyObjectionRequest,
) -> Result<ApplyObjectionResponse, Error> {
    let change = ObjectionChange::try_from(&request)?;
    let mut tx = hosted.chassis().db.begin().await?;
    if objections::apply(&mut tx, &change).await? {
        hosted.service.objected(&mut tx, &change).await?;
        tx.commit().await?;
    }
    Ok(ApplyObjectionResponse {})
}

impl TryFrom<&ApplyObjectionRequest> for ObjectionChange {
    type Error = Invalid;

    fn try_from(request: &ApplyObjectionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let subject = request.subject.clone().unwrap_or_default();
        let emails: Vec<_> = subject
            .emails
            .iter()
            .filter_map(|email| violations.field::<Email>("subject.emails", email))
            .collect();
        let subs: Vec<_> = subject.subs.into_iter().filter(|sub| !sub.is_empty()).collect();
        if subs.is_empty() && emails.is_empty() {
            violations.add("subject", "expected an id or an address");
        }
        let scope = violations.field_enum("scope", request.scope);
        let change_time = violations.field_time("change_time", request.change_time.as_ref());
        let stands = request.stands;
        let change = || Some(Self { subs, emails, scope: scope?, stands, change_time: change_time? });
        violations.finish(change())
    }
}
