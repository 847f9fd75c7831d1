//! `SweepDeliveryOutcomes`: asks Resend for the outcomes of mails without a report, so that outcomes become known without
//! webhooks too. A schedule defers it to this service itself. It works without `mutate`, because it calls Resend between short
//! transactions; the reports of a message are a set that only grows, so a repetition changes nothing.
//!
//! The requests to Resend take slots of the same pace as mails, one at a time. They wait as mail of operators does, so a campaign
//! does not stop them. A sweep that gets no slot, or that has read many pages, defers its next call, which continues after the last
//! mail that was read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1::{SweepDeliveryOutcomesRequest, SweepDeliveryOutcomesResponse};
use levqor_runtime::{
    context::Ctx,
    deferred::defer_at,
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Notifications,
    domain::{
        class::Class,
        message::{MessageId, ProviderMessageId},
        pace::{Rate, Turn},
        report::{DeliveryOutcome, Report},
    },
    error::Error,
    provider::resend::{Listed, NoList, Resend},
    rpc::apply_provider_event,
    store::{messages, provider_paces},
};

/// How long ago a mail must have been sent: the provider needs some time, and webhooks come first.
const LEAST_AGE: TimeDelta = TimeDelta::minutes(2);
/// How long ago a mail may have been sent. An outcome that is not known after this time stays unknown.
const MOST_AGE: TimeDelta = TimeDelta::days(3);
/// How many pages of 100 mails one call fetches. So a call ends in time, although each page waits for a slot and may bring 100
/// reports.
const MOST_PAGES_OF_CALL: i32 = 10;
/// How many pages all calls of one sweep ask for.
const MOST_PAGES: i32 = 300;
/// How long a sweep may take. Newer ones have begun meanwhile.
const MOST_TIME: TimeDelta = TimeDelta::minutes(30);
/// How far Resend's clock may be from ours.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

pub(super) async fn sweep_delivery_outcomes(
    notifications: &Notifications,
    _: Ctx,
    request: SweepDeliveryOutcomesRequest,
) -> Result<SweepDeliveryOutcomesResponse, Error> {
    let Command { mut after, pages: before, begin_time } = (&request).try_into()?;
    let mut response = SweepDeliveryOutcomesResponse::default();
    let Some((placed, resend)) = notifications.providers.resend() else { return Ok(response) };
    let (now, oldest) = oldest_without_outcome(notifications).await?;
    let begin_time = begin_time.unwrap_or(now);
    let Some(oldest) = oldest.filter(|_| now - begin_time <= MOST_TIME) else { return Ok(response) };
    while before + response.pages < MOST_PAGES {
        if let Some(time) = wait_for_turn(notifications, placed.rate, response.pages).await? {
            let next = SweepDeliveryOutcomesRequest {
                after: after.unwrap_or_default(),
                pages: before + response.pages,
                begin_time: Some(timestamp(begin_time)),
            };
            continue_at(notifications, &next, time).await?;
            return Ok(response);
        }
        let page = match resend.list(after.as_deref()).await {
            Ok(page) => {
                notifications.sweep_health.listed();
                page
            }
            // The key may be for sending only, or the server may list nothing. A retry would not help.
            Err(NoList::Never(what)) => {
                notifications.sweep_health.refused(what);
                return Ok(response);
            }
            Err(NoList::NotNow(trouble)) => return Err(Error::ProviderUnavailable(trouble)),
        };
        response.pages += 1;
        response.outcomes += learn(notifications, &page.data).await?;
        let is_past = page.data.last().is_none_or(|last| last.create_time.is_some_and(|time| time < oldest));
        if !page.has_more || is_past {
            break;
        }
        after = page.data.last().map(|last| last.id.clone());
    }
    Ok(response)
}

/// The present time, and the earliest time at which the provider can have got a mail that has no outcome and whose age is between
/// `LEAST_AGE` and `MOST_AGE`.
async fn oldest_without_outcome(
    notifications: &Notifications,
) -> Result<(DateTime<Utc>, Option<DateTime<Utc>>), Error> {
    let mut conn = notifications.chassis.db.acquire().await?;
    let now = levqor_runtime::db::now(&mut conn).await?;
    let (from, to) = (now - MOST_AGE, now - LEAST_AGE);
    let oldest = messages::oldest_without_outcome(&mut conn, Resend::NAME, from, to).await?;
    Ok((now, oldest.map(|begin_time| begin_time - CLOCKS_DIFFER)))
}

/// Waits for the slot of a request, in a call that has read this number of pages. Returns a time if the sweep continues in another
/// call at that time: this call has read enough, or mails need all slots of the next moments.
async fn wait_for_turn(
    notifications: &Notifications,
    rate: Rate,
    pages: i32,
) -> Result<Option<DateTime<Utc>>, Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    let now = tx.now().await?;
    if pages >= MOST_PAGES_OF_CALL {
        return Ok(Some(now));
    }
    let Some(interval) = rate.interval() else { return Ok(None) };
    let turn = provider_paces::turn(&mut tx, Resend::NAME, Class::Operator, interval, now).await?;
    tx.commit().await?;
    match turn {
        Turn::Slot(slot) => {
            tokio::time::sleep((slot - now).to_std().unwrap_or_default()).await;
            Ok(None)
        }
        Turn::ComeBack(time) => Ok(Some(time)),
    }
}

/// Defers the next call of the sweep.
async fn continue_at(
    notifications: &Notifications,
    next: &SweepDeliveryOutcomesRequest,
    time: DateTime<Utc>,
) -> Result<(), Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    let key = format!("sweep-delivery-outcomes:{}/{}", next.pages, time.timestamp_micros());
    defer_at(&mut tx, next, key, time).await?;
    tx.commit().await?;
    Ok(())
}

/// Adds the outcomes on a page to our messages without an outcome. Returns the number of new outcomes.
async fn learn(notifications: &Notifications, page: &[Listed]) -> Result<i32, Error> {
    let told: BTreeMap<&str, DeliveryOutcome> =
        page.iter().filter_map(|listed| Some((listed.id.as_str(), listed.outcome()?))).collect();
    let ids: Vec<_> = told.keys().map(|id| (*id).to_owned()).collect();
    let mut conn = notifications.chassis.db.acquire().await?;
    let ours = messages::without_outcome(&mut conn, Resend::NAME, &ids).await?;
    drop(conn);
    let mut new = 0;
    for (message, provider_message_id) in ours {
        let Some(outcome) = told.get(provider_message_id.as_str()) else { continue };
        new += i32::from(tell(notifications, message, *outcome).await?);
    }
    Ok(new)
}

/// Adds one report. Its time is that of the sweep; a later webhook has the earlier, true time.
async fn tell(
    notifications: &Notifications,
    message: MessageId,
    outcome: DeliveryOutcome,
) -> Result<bool, Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    if messages::lock(&mut tx, message).await?.is_none() {
        return Ok(false);
    }
    let report = Report { outcome, time: tx.now().await?, detail: "last_event".to_owned(), class: None };
    let is_new = apply_provider_event::tell(&mut tx, notifications, message, report).await?;
    tx.commit().await?;
    Ok(is_new)
}

/// A valid request.
struct Command {
    after: Option<String>,
    pages: i32,
    begin_time: Option<DateTime<Utc>>,
}

impl TryFrom<&SweepDeliveryOutcomesRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &SweepDeliveryOutcomesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let after = violations.filter::<ProviderMessageId>("after", &request.after);
        let begin_time = violations.filter_time("begin_time", request.begin_time.as_ref());
        let pages = request.pages;
        if !(0..=MOST_PAGES).contains(&pages) {
            violations.add("pages", format!("expected 0 to {MOST_PAGES}"));
        }
        let after = after.map(|id| id.as_str().to_owned());
        violations.finish(Some(Self { after, pages, begin_time }))
    }
}
