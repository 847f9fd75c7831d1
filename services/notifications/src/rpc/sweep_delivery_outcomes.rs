//! `SweepDeliveryOutcomes`: asks Resend what became of mails that nobody reported on, so that outcomes become known without
//! webhooks too. A schedule defers it to this service itself. It works without `mutate`, because it calls Resend between short
//! transactions; the reports of a message are a set that only grows, so a repetition changes nothing.
//!
//! The requests to Resend take slots of the same pace as mails, by the rules for marketing, so other mail goes first.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1::{SweepDeliveryOutcomesRequest, SweepDeliveryOutcomesResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Notifications,
    domain::{
        class::Class,
        message::MessageId,
        pace::{Rate, Turn},
        report::{DeliveryOutcome, Report},
    },
    error::Error,
    provider::resend::{Listed, NoList, Resend},
    rpc::apply_provider_event,
    store::{messages, provider_paces},
};

/// How old a mail must be: the provider needs some time, and webhooks come first.
const LEAST_AGE: TimeDelta = TimeDelta::minutes(2);
/// How old a mail may be. An outcome that is not known after this time stays unknown.
const MOST_AGE: TimeDelta = TimeDelta::days(3);
/// How many pages of 100 mails one sweep asks for.
const MOST_PAGES: i32 = 30;

pub(super) async fn sweep_delivery_outcomes(
    notifications: &Notifications,
    _: Ctx,
    _: SweepDeliveryOutcomesRequest,
) -> Result<SweepDeliveryOutcomesResponse, Error> {
    let mut response = SweepDeliveryOutcomesResponse::default();
    let Some((placed, resend)) = notifications.providers.resend() else { return Ok(response) };
    let oldest = oldest_without_outcome(notifications).await?;
    let (Some(oldest), mut after) = (oldest, None) else { return Ok(response) };
    while response.pages < MOST_PAGES && turn(notifications, placed.rate).await? {
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

/// When the oldest mail was requested that has no outcome and is neither too young nor too old to ask about.
async fn oldest_without_outcome(notifications: &Notifications) -> Result<Option<DateTime<Utc>>, Error> {
    let mut conn = notifications.chassis.db.acquire().await?;
    let now = levqor_runtime::db::now(&mut conn).await?;
    Ok(messages::oldest_without_outcome(&mut conn, Resend::NAME, now - MOST_AGE, now - LEAST_AGE).await?)
}

/// Waits for the slot of a request. Returns false if mails need all slots of the next moments.
async fn turn(notifications: &Notifications, rate: Rate) -> Result<bool, Error> {
    let Some(interval) = rate.interval() else { return Ok(true) };
    let mut tx = notifications.chassis.db.begin().await?;
    let now = tx.now().await?;
    let turn = provider_paces::turn(&mut tx, Resend::NAME, Class::Marketing, interval, now).await?;
    tx.commit().await?;
    match turn {
        Turn::Slot(slot) => {
            tokio::time::sleep((slot - now).to_std().unwrap_or_default()).await;
            Ok(true)
        }
        Turn::ComeBack(_) => Ok(false),
    }
}

/// Adds what a page says to our messages without an outcome. Returns the number of new outcomes.
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

/// Adds one report. Its time is that of the sweep; a webhook that comes later brings the earlier, true time.
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
