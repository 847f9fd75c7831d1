//! `ApplyProviderEvent`: applies one journaled event to its message, in whatever order events come. This service calls it;
//! `IngestResendEvent` defers the call. It works without `mutate` and without a key, because the state of the event says whether
//! it was applied.
//!
//! An event may arrive before the provider's receipt is stored. Then the event waits, and the code that stores the receipt defers
//! this call again. Waiting is not a failure, so it causes no retry: one call is deferred for the end of the wait. If that call
//! is made early, the daily purge ends the wait.
//!
//! If the provider's answer was lost, the event is the evidence. Its tag names the message and the round, and the message becomes
//! SENT with the event's id of the mail.
//!
//! An event that cannot be understood makes the call dead. `gave_up` quarantines the event in the same transaction, so one list
//! shows both. Replaying the call processes the event again.

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, ApplyProviderEventResponse, FetchInboundMailRequest,
};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::{defer, defer_at},
    request,
    service::GivenUp,
};

use super::{deliver_message::settle_message, fetch_inbound_mail::own_address};
use crate::{
    Notifications, bounces,
    domain::{
        delivery::{Awaited, UNDER_WAY, awaited},
        inbound_mail::InboundMailId,
        message::{Message, MessageId, Outcome, Receipt},
        message_tag::MessageTag,
        provider_event::{EventState, ProviderEvent},
        report::{Change, DeliveryOutcome, Report},
        resend_event::{self, Heard},
    },
    error::Error,
    fail_point,
    metrics::EventVerdict,
    provider::mailbox::Mailbox,
    store::{
        delivery_attempts, delivery_reports, inbound_mails, messages,
        provider_events::{self, Learnt, bodies},
    },
};

pub(super) async fn apply_provider_event(
    notifications: &Notifications,
    _: Ctx,
    request: ApplyProviderEventRequest,
) -> Result<ApplyProviderEventResponse, Error> {
    let id = request::id("provider_event_id", &request.provider_event_id)?;
    let mut tx = notifications.chassis.db.begin().await?;
    let event = provider_events::lock(&mut tx, id).await?.ok_or(Error::ProviderEventNotFound)?;
    let stands = if event.is_done() {
        event.state
    } else {
        let body = bodies::get(&mut tx, id).await?.ok_or(Error::BodyPurged)?;
        match heard(notifications, &event, &body)? {
            Heard::Nothing => {
                provider_events::put(&mut tx, id, EventState::Ignored, &Learnt::default()).await?;
                count(&mut tx, notifications, &event, EventVerdict::Ignored);
                EventState::Ignored
            }
            Heard::Received { provider_mail_id, time, .. } => {
                receive(&mut tx, notifications, &event, &provider_mail_id, time).await?
            }
            Heard::Of { provider_message_id, tag, report } => {
                apply(&mut tx, notifications, &event, &provider_message_id, tag, report).await?
            }
        }
    };
    tx.commit().await?;
    fail_point::PROVIDER_EVENT_APPLIED.reached();
    Ok(ApplyProviderEventResponse { state: stands.into() })
}

/// Reads an event. An event about a received mail is ignored if we receive no mail, or if the mail came to none of our addresses.
fn heard(notifications: &Notifications, event: &ProviderEvent, body: &[u8]) -> Result<Heard, Error> {
    let is_received = event.event_type.as_deref() == Some(resend_event::RECEIVED);
    if is_received && notifications.config.inbound_domain.is_none() {
        return Ok(Heard::Nothing);
    }
    let heard = resend_event::read(body).map_err(Error::EventNotUnderstood)?;
    let is_ours = match &heard {
        Heard::Received { recipients, .. } => {
            recipients.iter().any(|address| own_address(notifications, address).is_some())
        }
        Heard::Of { .. } | Heard::Nothing => true,
    };
    Ok(if is_ours { heard } else { Heard::Nothing })
}

/// Stores a received mail, and defers the call that fetches it.
async fn receive(
    tx: &mut Tx,
    notifications: &Notifications,
    event: &ProviderEvent,
    provider_mail_id: &str,
    time: DateTime<Utc>,
) -> Result<EventState, Error> {
    let now = tx.now().await?;
    let new = InboundMailId::new_at(now);
    let (id, is_new) =
        inbound_mails::announce(tx, new, &event.provider, provider_mail_id, event.receive_time).await?;
    if is_new {
        let fetch = FetchInboundMailRequest { inbound_mail_id: id.to_string() };
        defer(tx, &fetch, format!("inbound-mail:{id}")).await?;
    }
    let learnt = Learnt {
        provider_message_id: Some(provider_mail_id),
        message_id: None,
        inbound_mail_id: Some(id),
        create_time: Some(time),
    };
    provider_events::put(tx, event.id, EventState::Applied, &learnt).await?;
    count(tx, notifications, event, EventVerdict::Applied);
    Ok(EventState::Applied)
}

/// Finds the message of the event and adds the report to it. Returns the new state of the event.
async fn apply(
    tx: &mut Tx,
    notifications: &Notifications,
    event: &ProviderEvent,
    provider_message_id: &str,
    tag: Option<MessageTag>,
    report: Report,
) -> Result<EventState, Error> {
    // The message is locked before the provider's id, in the same order as in a delivery.
    let tagged = tagged(tx, event, tag).await?;
    provider_events::hold(tx, provider_message_id).await?;
    let message = messages::lock_sent(tx, &event.provider, provider_message_id).await?;
    let (message, is_under_way) = match (message, tagged) {
        (Some(message), _) => (Some(message), false),
        (None, Some((tagged, Awaited::Lost))) => {
            let id = tagged.id;
            settle_as_sent(tx, notifications, event, tagged, provider_message_id).await?;
            (Some(id), false)
        }
        (None, tagged) => (None, tagged.is_some()),
    };
    let stands = match message {
        Some(_) => EventState::Applied,
        None => event.without_message(tx.now().await?),
    };
    let learnt = Learnt {
        provider_message_id: Some(provider_message_id),
        message_id: message,
        inbound_mail_id: None,
        create_time: Some(report.time),
    };
    let moved = stands != event.state;
    if moved {
        provider_events::put(tx, event.id, stands, &learnt).await?;
    }
    if moved && stands == EventState::AwaitingMessage {
        let apply = ApplyProviderEventRequest { provider_event_id: event.id.to_string() };
        defer_at(tx, &apply, format!("provider-event:{}/waited", event.id), event.waits_until()).await?;
        if is_under_way {
            let answered = tx.now().await? + UNDER_WAY;
            defer_at(tx, &apply, format!("provider-event:{}/answered", event.id), answered).await?;
        }
    }
    if let Some(message) = message {
        tell(tx, notifications, message, report).await?;
    }
    match stands {
        EventState::Applied => count(tx, notifications, event, EventVerdict::Applied),
        EventState::Unmatched if moved => count(tx, notifications, event, EventVerdict::Unmatched),
        _ => {}
    }
    Ok(stands)
}

/// Locks the message that the tag names, if the provider may have taken the message in that round and its answer is not known.
async fn tagged(
    tx: &mut Tx,
    event: &ProviderEvent,
    tag: Option<MessageTag>,
) -> Result<Option<(Message, Awaited)>, DbError> {
    let Some(MessageTag { message_id, round }) = tag else { return Ok(None) };
    let Some(message) = messages::lock(tx, message_id).await? else { return Ok(None) };
    if !message.is_open_in(round) {
        return Ok(None);
    }
    let attempts = delivery_attempts::of_message(tx, message_id).await?;
    let awaited = awaited(&attempts, round, &event.provider, tx.now().await?);
    Ok(awaited.map(|awaited| (message, awaited)))
}

/// Settles a message as sent: the event shows that the provider has it. This ends a doubt.
async fn settle_as_sent(
    tx: &mut Tx,
    notifications: &Notifications,
    event: &ProviderEvent,
    mut message: Message,
    provider_message_id: &str,
) -> Result<(), DbError> {
    let receipt =
        Receipt { provider: event.provider.clone(), provider_message_id: provider_message_id.to_owned() };
    let sent = Outcome::Sent { receipt, send_time: tx.now().await? };
    settle_message(tx, notifications, &mut message, sent).await
}

/// Adds a report to a locked message. The first report of each outcome is counted. The first report may suppress the
/// address. So may a later report that adds the server's reply. Returns whether the report is the first of its outcome.
pub(crate) async fn tell(
    tx: &mut Tx,
    notifications: &Notifications,
    message: MessageId,
    report: Report,
) -> Result<bool, DbError> {
    let mut reports = delivery_reports::of_message(tx, message).await?;
    let outcome = report.outcome;
    let known_class = reports.class(outcome);
    let change = reports.tell(report.clone());
    if change == Change::None {
        return Ok(false);
    }
    delivery_reports::put(tx, message, &report).await?;
    if let Some((gravest, time)) = reports.gravest() {
        messages::put_delivery_outcome(tx, message, gravest, time).await?;
    }
    // The list of mails does not quote the reply; the later webhook does.
    let brings_class = report.class.is_some() && report.class != known_class;
    if change == Change::New || brings_class {
        bounces::apply_report(tx, message, &report).await?;
    }
    if change == Change::New {
        let metrics = notifications.metrics.clone();
        tx.after_commit(move || {
            metrics.became(outcome);
            let (name, reason) = (outcome.as_str(), report.detail);
            match outcome {
                DeliveryOutcome::Delayed | DeliveryOutcome::Delivered => {
                    tracing::info!(message.id = %message, message.outcome = name, reason, "the provider reported the outcome of a mail");
                }
                _ => tracing::warn!(message.id = %message, message.outcome = name, reason, "the provider reported that a mail was not delivered, or that its recipient complained"),
            }
        });
    }
    Ok(change == Change::New)
}

/// Defers the call again for events that wait, or are unmatched, because no message had the provider id of this receipt. The
/// caller stores the receipt in the same transaction.
pub(crate) async fn take_up_waiting(tx: &mut Tx, receipt: &Receipt) -> Result<(), DbError> {
    let Receipt { provider, provider_message_id } = receipt;
    // The local mailbox sends no events.
    if provider == Mailbox::NAME {
        return Ok(());
    }
    provider_events::hold(tx, provider_message_id).await?;
    for id in provider_events::waiting(tx, provider, provider_message_id).await? {
        let apply = ApplyProviderEventRequest { provider_event_id: id.to_string() };
        defer(tx, &apply, format!("provider-event:{id}/matched")).await?;
    }
    Ok(())
}

/// Quarantines an event whose call is given up. The event cannot be understood, or it failed too often.
pub(crate) async fn gave_up(
    notifications: &Notifications,
    tx: &mut Tx,
    request: &ApplyProviderEventRequest,
    call: &GivenUp<'_>,
) -> Result<(), DbError> {
    let Ok(id) = request::id("provider_event_id", &request.provider_event_id) else { return Ok(()) };
    if let Some(event_type) = provider_events::quarantine(tx, id, call.failure).await? {
        let metrics = notifications.metrics.clone();
        tx.after_commit(move || metrics.judged(event_type.as_deref(), EventVerdict::Quarantined));
    }
    Ok(())
}

/// Counts the result for an event, after the commit.
fn count(tx: &mut Tx, notifications: &Notifications, event: &ProviderEvent, verdict: EventVerdict) {
    let (metrics, event_type) = (notifications.metrics.clone(), event.event_type.clone());
    tx.after_commit(move || metrics.judged(event_type.as_deref(), verdict));
}
