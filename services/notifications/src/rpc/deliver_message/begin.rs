//! The first of the two transactions of a delivery: it decides whether there is an attempt, and records its beginning.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1::DeliverMessageRequest;
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::defer_in_lane,
};

use super::{in_short, lane, refusal_after, settle_message, tell, uncalled};
use crate::{
    Notifications,
    domain::{
        delivery::{self, Attempt, AttemptId, Step, UNDER_WAY},
        message::{Mail, Message, MessageId, Outcome, State},
        pace::Turn,
        permit::Permit,
    },
    egress,
    error::Error,
    fail_point, guard,
    provider::Placed,
    store::{
        delivery_attempts,
        messages::{self, settle},
        provider_paces,
    },
};

/// The result of the first transaction.
pub(super) enum Begun {
    /// An attempt is recorded: the mail goes to a provider.
    Attempt(Begin),
    /// There is no attempt now: the message is settled, or waits for its time.
    Over(Message),
    /// The commit failed, so the attempt may or may not be stored.
    Perhaps(Attempt, DbError),
}

/// A recorded attempt, and the data that it needs.
pub(super) struct Begin {
    pub(super) attempt: Attempt,
    pub(super) mail: Mail,
    /// The position of its provider in the list of providers.
    pub(super) place: usize,
    /// How long to wait for the slot of the mail: two seconds at most (`domain/pace.rs`).
    pub(super) wait: Duration,
}

/// Stores the beginning of an attempt, or finds that there must be no attempt. First it asks the guard of the message, outside of
/// the transaction. The mail goes to the provider at the position `preferred` of the list, if the rules of delivery leave a choice.
pub(super) async fn begin(
    notifications: &Notifications,
    ctx: &Ctx,
    id: MessageId,
    preferred: usize,
) -> Result<Begun, Error> {
    let unwanted = ask_guard(notifications, ctx, id).await?;
    let mut tx = notifications.chassis.db.begin().await?;
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let all = attempts(&mut tx, notifications, id).await?;
    let of_round = delivery::of_round(&all, message.round);
    if message.take_up_again(&of_round) {
        settle::take_up_again(&mut tx, id).await?;
        tell(&mut tx, notifications, &message);
    }
    if message.state() != State::Pending {
        return Ok(Begun::Over(message));
    }
    let now = tx.now().await?;
    let candidates = notifications.providers.candidates();
    let place = match delivery::next_step(&all, message.round, &candidates, preferred, now) {
        Step::HandOver(place) => Ok(place),
        Step::Doubt(doubt) => Err(Outcome::InDoubt { doubt: doubt.to_string() }),
        Step::Wait(left) => return Err(Error::DeliveryUnderWay(left.to_std().unwrap_or_default())),
    };
    delivery_attempts::end_lost(&mut tx, id, now - UNDER_WAY, now).await?;
    let outcome = match (place, unwanted) {
        (Err(doubt), _) => doubt,
        (Ok(_), Some(cancelled)) => delivery::outcome_of_stopping(&of_round, cancelled),
        (Ok(place), None) => {
            let policy = &notifications.config.marketing;
            let (class, category) = (message.class, message.category);
            match egress::permit(&mut tx, id, (class, category), &message.recipient_hash, policy).await? {
                Permit::Suppressed(reason) => {
                    delivery::outcome_of_stopping(&of_round, Outcome::Suppressed { reason })
                }
                Permit::Later(time) => return later(tx, message, time).await,
                Permit::Granted => {
                    let body = messages::body(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
                    match message.to_mail(body) {
                        Ok(mail) => return record(notifications, tx, message, mail, place, now).await,
                        Err(no_recipient) => refusal_after(&of_round, no_recipient.to_string()),
                    }
                }
            }
        }
    };
    settle_message(&mut tx, notifications, &mut message, outcome).await?;
    tx.commit().await?;
    fail_point::MESSAGE_DOUBTED.reached();
    Ok(Begun::Over(message))
}

/// Records an attempt with the provider at this position, or defers the delivery if the provider has no slot for the mail now.
async fn record(
    notifications: &Notifications,
    mut tx: Tx,
    message: Message,
    mail: Mail,
    place: usize,
    now: DateTime<Utc>,
) -> Result<Begun, Error> {
    let Some(Placed { provider, rate, .. }) = notifications.providers.at(place) else {
        return Ok(Begun::Over(message));
    };
    let turn = match rate.interval() {
        None => Turn::Slot(now),
        Some(interval) => {
            provider_paces::turn(&mut tx, provider.name(), message.class, interval, now).await?
        }
    };
    let slot = match turn {
        Turn::Slot(slot) => slot,
        Turn::ComeBack(time) => return later(tx, message, time).await,
    };
    let attempt = Attempt {
        id: AttemptId::new_at(now),
        provider: provider.identity().to_owned(),
        round: message.round,
        idempotency_key: mail.key.clone(),
        begin_time: slot,
        end: None,
        detail: String::new(),
    };
    delivery_attempts::begin(&mut tx, message.id, &attempt).await?;
    Ok(match tx.commit().await {
        Ok(()) => {
            let wait = (slot - now).max(TimeDelta::zero()).to_std().unwrap_or_default();
            Begun::Attempt(Begin { attempt, mail, place, wait })
        }
        Err(error) => Begun::Perhaps(attempt, error),
    })
}

/// Defers the delivery to a time. This call then succeeds, because a failure would count as one of its attempts.
async fn later(mut tx: Tx, message: Message, time: DateTime<Utc>) -> Result<Begun, Error> {
    let key = format!("deliver:{}/at/{}", message.idempotency_key(), time.timestamp_micros());
    let again = DeliverMessageRequest { message_id: message.id.to_string() };
    defer_in_lane(&mut tx, &again, key, time, lane(message.class)).await?;
    tx.commit().await?;
    Ok(Begun::Over(message))
}

/// Asks the guard of a message that may still be sent. Returns the outcome of the message if it is not wanted any more.
async fn ask_guard(
    notifications: &Notifications,
    ctx: &Ctx,
    id: MessageId,
) -> Result<Option<Outcome>, Error> {
    let mut conn = notifications.chassis.db.acquire().await?;
    let message = messages::get(&mut conn, id).await?.ok_or(Error::MessageNotFound)?;
    drop(conn);
    // A FAILED message may become pending again.
    match message.guard.as_ref().filter(|_| matches!(message.state(), State::Pending | State::Failed)) {
        Some(guard) => guard::ask(&notifications.chassis, ctx, guard).await,
        None => Ok(None),
    }
}

/// All attempts of a message. First it ends those of this process in which the provider was not called.
async fn attempts(
    tx: &mut Tx,
    notifications: &Notifications,
    id: MessageId,
) -> Result<Vec<Attempt>, DbError> {
    let mut all = delivery_attempts::of_message(tx, id).await?;
    for attempt in notifications.uncalled.open_among(&all) {
        let (answer, now) = (uncalled(), tx.now().await?);
        let (outcome, detail) = in_short(&answer);
        delivery_attempts::end(tx, id, &attempt, outcome, detail, now).await?;
        all = delivery_attempts::of_message(tx, id).await?;
    }
    Ok(all)
}
