//! Asks notifications whether a customer may still get offers.

use std::time::Duration;

use levqor_proto_mail::v1::{Category, CheckRecipientRequest, mail_service_client::MailServiceClient};
use levqor_runtime::{client::Outgoing, context::Ctx, email::Email, error::ErrorCode};

use crate::{Billing, error::Error};

/// The service that knows.
const NOTIFICATIONS: &str = "notifications";
/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether offers may go to this address. No answer is an error: the step is taken later.
pub(crate) async fn is_allowed(billing: &Billing, ctx: &Ctx, customer: &Email) -> Result<bool, Error> {
    let chassis = &billing.chassis;
    let unanswered = Error::NotificationsUnavailable;
    let channel = chassis.channels.get(NOTIFICATIONS).ok_or(unanswered("its address is not set"))?;
    let token = chassis.tokens.mint(chassis.service, NOTIFICATIONS);
    let token = token.map_err(|_| unanswered("no token can be made for the call"))?;
    let outgoing = Outgoing {
        bearer: Some(&token),
        request_id: &ctx.request_id,
        idempotency_key: None,
        timeout: PATIENCE,
    };
    let request = CheckRecipientRequest {
        recipient: customer.as_str().to_owned(),
        category: Category::OffersPromotions.into(),
    };
    let mut client = MailServiceClient::new(channel);
    let answer = tokio::time::timeout(PATIENCE, client.check_recipient(outgoing.request(request))).await;
    let answer = answer.map_err(|_| unanswered("no answer in time"))?;
    let answer = answer.map_err(|status| unanswered(ErrorCode::from_grpc(status.code()).as_str()))?;
    Ok(answer.into_inner().allowed)
}
