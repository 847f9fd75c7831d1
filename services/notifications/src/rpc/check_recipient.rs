//! `CheckRecipient`: says whether advertising may go to an address. Services ask it before each step of a series of such mails.

use levqor_proto_mail::v1::{CheckRecipientRequest, CheckRecipientResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
};

use crate::{
    Notifications,
    domain::{class::Class, newsletter::Topic, permit::Permit},
    egress,
    error::Error,
};

pub(super) async fn check_recipient(
    notifications: &Notifications,
    _: Ctx,
    request: CheckRecipientRequest,
) -> Result<CheckRecipientResponse, Error> {
    let Query { recipient, topic } = (&request).try_into()?;
    let hash = notifications.config.address_key.hash(&recipient);
    let mut tx = notifications.chassis.db.begin().await?;
    let permit = egress::permit_ever(&mut tx, Class::Marketing, topic.category(), &hash).await?;
    tx.commit().await?;
    Ok(match permit {
        Permit::Suppressed(reason) => {
            CheckRecipientResponse { allowed: false, reason: reason.as_str().to_owned() }
        }
        Permit::Granted | Permit::Later(_) => CheckRecipientResponse { allowed: true, reason: String::new() },
    })
}

/// A valid request.
struct Query {
    recipient: Email,
    topic: Topic,
}

impl TryFrom<&CheckRecipientRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &CheckRecipientRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let recipient = violations.parse("recipient", &request.recipient, "a mail address");
        let topic = Topic::of(request.category());
        if topic.is_none() {
            violations.add("category", "expected a category of marketing");
        }
        violations.finish(recipient.zip(topic).map(|(recipient, topic)| Self { recipient, topic }))
    }
}
