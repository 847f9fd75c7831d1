//! `TakeLeadStep`: sends a mail of the flow that follows the guide and defers the next step, or ends the flow. The flow also ends
//! when the person has bought. It works without an idempotency key, because the lead says which step it waits for.

use std::time::Duration;

use levqor_proto_mail::v1::{
    Category, CheckRecipientRequest, FollowupExample, FollowupSoftPitch, FollowupValue,
    mail_service_client::MailServiceClient, send_message_request::Content,
};
use levqor_proto_support::v1::{TakeLeadStepRequest, TakeLeadStepResponse};
use levqor_runtime::{
    chassis::Unanswered,
    context::Ctx,
    db::DbError,
    email::Email,
    objections::{self, ObjectionScope},
    request::id,
};

use crate::{
    Support,
    domain::lead::{Lead, LeadId},
    error::Error,
    leads::{self, PURCHASED, take_later},
    store,
};

/// How long to wait for notifications.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn take_lead_step(
    support: &Support,
    ctx: Ctx,
    request: TakeLeadStepRequest,
) -> Result<TakeLeadStepResponse, Error> {
    let (lead_id, step): (LeadId, _) = (id("lead_id", &request.lead_id)?, request.step);
    // Asked before the transaction, because these are calls to other services.
    let email = store::leads::email(&mut *support.chassis.db.acquire().await?, lead_id).await?;
    let Some(email) = email else { return Ok(TakeLeadStepResponse::default()) };
    let is_allowed = !objects(support, &email).await? && is_allowed(support, &ctx, &email, step).await?;
    let unavailable = |why: Unanswered| Error::BillingUnavailable(why.reason());
    let has_bought =
        is_allowed && leads::has_bought(support, &ctx.request_id, email).await.map_err(unavailable)?;
    let mut tx = support.chassis.db.begin().await?;
    let Some(lead) = store::leads::lock_at_step(&mut tx, lead_id, step).await? else {
        return Ok(TakeLeadStepResponse::default());
    };
    if has_bought {
        store::leads::put_step(&mut tx, lead_id, None, Some(PURCHASED)).await?;
        tx.commit().await?;
        return Ok(TakeLeadStepResponse::default());
    }
    if is_allowed {
        leads::send_step(&mut tx, &lead, step, content(&lead, step)).await?;
    }
    // Who agrees to such mails later gets the later ones.
    let goes_on = take_later(&mut tx, &lead, step + 1).await?;
    let (next, end) = match (goes_on, is_allowed) {
        (true, _) => (Some(step + 1), None),
        (false, true) => (None, Some("DONE")),
        (false, false) => (None, Some("NOT_ALLOWED")),
    };
    store::leads::put_step(&mut tx, lead_id, next, end).await?;
    tx.commit().await?;
    Ok(TakeLeadStepResponse { sent: is_allowed })
}

/// The mail of a step.
fn content(lead: &Lead, step: i32) -> Content {
    let customer_name = lead.name.clone();
    match step {
        1 => Content::FollowupValue(FollowupValue { customer_name }),
        2 => Content::FollowupExample(FollowupExample { customer_name }),
        _ => Content::FollowupSoftPitch(FollowupSoftPitch { customer_name }),
    }
}

/// Whether the person objects to automation: then no flow continues.
async fn objects(support: &Support, email: &str) -> Result<bool, DbError> {
    let email = email.parse::<Email>().ok();
    let mut conn = support.chassis.db.acquire().await?;
    objections::stands(&mut conn, ObjectionScope::Automation, None, email.as_ref()).await
}

/// Whether the address agreed to the mail of this step. No answer is an error: the step is taken later.
async fn is_allowed(support: &Support, ctx: &Ctx, recipient: &str, step: i32) -> Result<bool, Error> {
    let category = if step < 3 { Category::EducationalContent } else { Category::OffersPromotions };
    let request = CheckRecipientRequest { recipient: recipient.to_owned(), category: category.into() };
    let (chassis, request_id) = (&support.chassis, &ctx.request_id);
    let answer = chassis.ask("notifications", request_id, TIMEOUT, request, async |channel, request| {
        MailServiceClient::new(channel).check_recipient(request).await
    });
    let unavailable = |why: Unanswered| Error::NotificationsUnavailable(why.reason());
    Ok(answer.await.map_err(unavailable)?.allowed)
}
