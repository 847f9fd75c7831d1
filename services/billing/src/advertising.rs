//! Asks notifications whether a customer may still get offers.

use std::time::Duration;

use levqor_proto_mail::v1::{Category, CheckRecipientRequest, mail_service_client::MailServiceClient};
use levqor_runtime::{context::Ctx, email::Email};

use crate::{Billing, error::Error};

/// The service that knows.
const NOTIFICATIONS: &str = "notifications";
/// How long to wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether offers may go to this address. No answer is an error: the step is taken later.
pub(crate) async fn is_allowed(billing: &Billing, ctx: &Ctx, customer: &Email) -> Result<bool, Error> {
    let request = CheckRecipientRequest {
        recipient: customer.as_str().to_owned(),
        category: Category::OffersPromotions.into(),
    };
    let chassis = &billing.chassis;
    let answer = chassis.ask(NOTIFICATIONS, &ctx.request_id, TIMEOUT, request, async |channel, request| {
        MailServiceClient::new(channel).check_recipient(request).await
    });
    let answer = answer.await.map_err(|unanswered| Error::NotificationsUnavailable(unanswered.reason()))?;
    Ok(answer.allowed)
}
