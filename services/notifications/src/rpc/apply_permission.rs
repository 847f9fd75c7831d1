//! Applies a permission for advertising, or its withdrawal, that was declared to compliance first. Compliance defers this call.

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::{ApplyPermissionRequest, ApplyPermissionResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
};

use crate::{
    Notifications, consent,
    domain::{newsletter::Topic, permit::PermissionState},
    error::Error,
};

pub(super) async fn apply_permission(
    notifications: &Notifications,
    _: Ctx,
    request: ApplyPermissionRequest,
) -> Result<ApplyPermissionResponse, Error> {
    let Command { email, topic, change_time } = (&request).try_into()?;
    let recipient = notifications.config.address_key.hash(&email);
    let state = if request.given { PermissionState::Granted } else { PermissionState::Withdrawn };
    let mut tx = notifications.chassis.db.begin().await?;
    consent::apply(&mut tx, &recipient, topic, state, &request.shown_text, change_time).await?;
    tx.commit().await?;
    Ok(ApplyPermissionResponse {})
}

/// A valid request.
struct Command {
    email: Email,
    topic: Topic,
    change_time: DateTime<Utc>,
}

impl TryFrom<&ApplyPermissionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ApplyPermissionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        let topic = violations.field_enum("category", request.category);
        let instant = |time: &prost_types::Timestamp| {
            DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).unwrap_or_default())
        };
        let change_time = request.change_time.as_ref().and_then(instant);
        if change_time.is_none() {
            violations.add("change_time", "expected an instant");
        }
        let command = email.zip(topic).zip(change_time);
        violations.finish(command.map(|((email, topic), change_time)| Self { email, topic, change_time }))
    }
}
