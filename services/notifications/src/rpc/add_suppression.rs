//! `AddSuppression`: staff suppress an address; recorded in the audit chain. Messages that wait for that address are checked
//! again before they go out, so none of a stopped class goes out.

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::{AddSuppressionRequest, AddSuppressionResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Notifications,
    domain::{
        reference::About,
        suppression::{SuppressionId, SuppressionReason},
    },
    error::Error,
    store::suppressions::{self, NewSuppression},
};

pub(super) async fn add_suppression(
    notifications: &Notifications,
    ctx: Ctx,
    request: AddSuppressionRequest,
) -> Result<AddSuppressionResponse, Error> {
    let Command { recipient, reason, evidence, until_time } = (&request).try_into()?;
    let recipient_hash = notifications.config.address_key.hash(&recipient);
    mutate(notifications, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        if until_time.is_some_and(|until| until <= now) {
            let mut violations = Violations::new();
            violations.add("until_time", "expected a time that is not over");
            return violations.finish(None).map_err(Error::from);
        }
        suppressions::hold(tx, &recipient_hash).await?;
        let new = NewSuppression {
            id: SuppressionId::new_at(now),
            recipient: Some(&recipient),
            recipient_hash,
            reason,
            evidence: evidence.as_ref().map(About::as_str).unwrap_or_default(),
            create_time: now,
            until_time,
        };
        let suppression = suppressions::put(tx, &new).await?;
        let id = suppression.id;
        let response = AddSuppressionResponse { suppression: Some(suppression.into()) };
        Ok(Done::audited(response, "suppression.add", &[("suppression_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    recipient: Email,
    reason: SuppressionReason,
    evidence: Option<About>,
    until_time: Option<DateTime<Utc>>,
}

impl TryFrom<&AddSuppressionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AddSuppressionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.field("recipient", &request.recipient);
        let reason = violations.filter_enum("reason", request.reason).unwrap_or(SuppressionReason::Staff);
        if !reason.is_of_address() {
            violations.add("reason", "expected a reason that does not follow from a permission");
        }
        let evidence = violations.filter("evidence", &request.evidence);
        let until_time = violations.filter_time("until_time", request.until_time.as_ref());
        violations.finish(recipient.map(|recipient| Self { recipient, reason, evidence, until_time }))
    }
}
