//! Applies an objection of a person, or its end. Compliance defers it to every service.

use chrono::DateTime;
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
        let instant = |time: &prost_types::Timestamp| {
            DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).unwrap_or_default())
        };
        let change_time = request.change_time.as_ref().and_then(instant);
        if change_time.is_none() {
            violations.add("change_time", "expected an instant");
        }
        let stands = request.stands;
        let change = scope.zip(change_time).map(|(scope, change_time)| Self {
            subs,
            emails,
            scope,
            stands,
            change_time,
        });
        violations.finish(change)
    }
}
