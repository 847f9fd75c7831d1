//! `DeliverMessage`: hands one stored message to the provider and stores the outcome. This service calls it; `SendMessage`,
//! `ResolveMessage` and `ResendMessage` defer the call. It works without `mutate`, because it calls the provider between two
//! transactions.
//!
//! Provider and database cannot change in one transaction. So an attempt is stored before the provider is called. After the
//! answer, the attempt and the message are settled together. A process that is killed between the two leaves an attempt without
//! an outcome. The deferred call is then made again, and the stored attempts decide (`domain/delivery.rs`) whether the message
//! may be handed over again or is in doubt.

mod begin;

use std::time::{Duration, Instant};

use levqor_proto_notifications::v1::{DeliverMessageRequest, DeliverMessageResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    deferred::Lane,
    request,
    service::GivenUp,
};

use self::begin::{Begin, Begun, begin};
use crate::{
    Notifications, bounces,
    domain::{
        class::Class,
        delivery::{self, Attempt, AttemptOutcome},
        message::{Mail, Message, MessageId, Outcome, State},
        reply::ReplyClass,
        suppression::SuppressionReason,
    },
    error::Error,
    fail_point,
    operators::doubt,
    provider::{Answer, Trouble},
    rpc::apply_provider_event::take_up_waiting,
    store::{
        delivery_attempts,
        messages::{self, settle as settling},
    },
};

/// How long to keep trying to store an answer while the database is down. Together with the provider's timeout this is less than
/// `UNDER_WAY`.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);
/// The time between two tries to store it.
const SETTLE_AGAIN: Duration = Duration::from_millis(200);

/// The lane of the deliveries of advertising: a campaign that waits for its turns delays no other delivery.
const ADVERTISING: Lane = Lane("/advertising");

/// The lane in which the delivery of a mail of this class is deferred.
pub(super) const fn lane(class: Class) -> Lane {
    match class {
        Class::Marketing => ADVERTISING,
        Class::Transactional | Class::Operator => Lane::MAIN,
    }
}

pub(super) async fn deliver_message(
    notifications: &Notifications,
    ctx: Ctx,
    request: DeliverMessageRequest,
) -> Result<DeliverMessageResponse, Error> {
    let id = request::id("message_id", &request.message_id)?;
    let mut preferred = 0;
    loop {
        let Begin { attempt, mail, place, wait } = match begin(notifications, &ctx, id, preferred).await? {
            Begun::Attempt(begin) => begin,
            Begun::Over(message) => return Ok(message.into()),
            Begun::Perhaps(attempt, error) => {
                // The provider was not called, although the attempt may be stored. The note lets the next delivery continue: it
                // must not wait for an outcome, and there is no doubt.
                notifications.uncalled.note(attempt.id);
                settle_within_timeout(notifications, id, &attempt, &uncalled()).await?;
                return Err(error.into());
            }
        };
        fail_point::MESSAGE_ATTEMPTED.reached();
        tokio::time::sleep(wait).await;
        let answer = hand_over(notifications, place, &mail).await;
        fail_point::MESSAGE_ANSWERED.reached();
        let message = settle_within_timeout(notifications, id, &attempt, &answer).await?;
        if message.state() != State::Pending {
            return Ok(message.into());
        }
        match answer {
            // This provider certainly does not have the mail, so the next one may get it.
            Answer::NotAccepted(_) | Answer::Unauthorised(_)
                if notifications.providers.at(place + 1).is_some() =>
            {
                preferred = place + 1;
            }
            Answer::NotAccepted(trouble) | Answer::Unauthorised(trouble) | Answer::Ambiguous(trouble) => {
                return Err(Error::ProviderUnavailable(trouble));
            }
            Answer::Accepted(_) | Answer::Refused(_) | Answer::KeyTaken(_) => return Ok(message.into()),
        }
    }
}

/// Hands the mail to the provider at this place. The provider may be slow, so no database connection is held meanwhile.
async fn hand_over(notifications: &Notifications, place: usize, mail: &Mail) -> Answer {
    let Some(placed) = notifications.providers.at(place) else { return uncalled() };
    let answer = placed.provider.deliver(mail).await;
    notifications.metrics.answered(placed.provider.name(), in_short(&answer).0);
    placed.health.answered(&answer, notifications.chassis.clock.now());
    answer
}

/// Stores the answer, and retries while the database is down: the answer is the only evidence of the outcome.
async fn settle_within_timeout(
    notifications: &Notifications,
    id: MessageId,
    attempt: &Attempt,
    answer: &Answer,
) -> Result<Message, Error> {
    let begun = Instant::now();
    loop {
        match settle(notifications, id, attempt, answer).await {
            Err(Error::Database(DbError::Unavailable(_))) if begun.elapsed() < SETTLE_PATIENCE => {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
            settled => return settled,
        }
    }
}

/// Stores the outcome of an attempt, and settles the message if the outcome decides its state.
async fn settle(
    notifications: &Notifications,
    id: MessageId,
    attempt: &Attempt,
    answer: &Answer,
) -> Result<Message, Error> {
    let (outcome, detail) = in_short(answer);
    let mut tx = notifications.chassis.db.begin().await?;
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let now = tx.now().await?;
    if !delivery_attempts::end(&mut tx, id, attempt, outcome, detail, now).await? {
        return Err(Error::AttemptContradicted);
    }
    fail_point::MESSAGE_ATTEMPT_ENDED.reached();
    let attempts = delivery::of_round(&delivery_attempts::of_message(&mut tx, id).await?, message.round);
    let follows = match answer {
        Answer::Accepted(receipt) => Some(Outcome::Sent { receipt: receipt.clone(), send_time: now }),
        // A person began a new round meanwhile. A failure in an older round says nothing about the new one.
        _ if attempt.round != message.round => None,
        Answer::Refused(refusal) => {
            let before: Vec<_> = attempts.into_iter().filter(|other| other.id != attempt.id).collect();
            if refusal.class == Some(ReplyClass::Hard) {
                bounces::suppress(&mut tx, id, SuppressionReason::HardBounce, None).await?;
            }
            Some(refusal_after(&before, refusal.reason.clone()))
        }
        Answer::NotAccepted(_) | Answer::Unauthorised(_) => None,
        Answer::KeyTaken(_) => Some(Outcome::InDoubt { doubt: delivery::Doubt::KeyTaken.to_string() }),
        Answer::Ambiguous(_) => {
            let memory = notifications.providers.key_memory(&attempt.provider);
            let doubt = delivery::doubt(&attempts, &attempt.provider, memory, now);
            doubt.map(|doubt| Outcome::InDoubt { doubt: doubt.to_string() })
        }
    };
    if let Some(outcome) = follows {
        settle_message(&mut tx, notifications, &mut message, outcome).await?;
    }
    tx.commit().await?;
    fail_point::MESSAGE_SETTLED.reached();
    Ok(message)
}

/// Settles a message whose delivery is given up. The message has failed, or it is in doubt if a provider may have it. If staff
/// replay the delivery, it continues.
pub(crate) async fn gave_up(
    notifications: &Notifications,
    tx: &mut Tx,
    request: &DeliverMessageRequest,
    call: &GivenUp<'_>,
) -> Result<(), DbError> {
    let Ok(id) = request::id("message_id", &request.message_id) else { return Ok(()) };
    let Some(mut message) = messages::lock(tx, id).await? else { return Ok(()) };
    let attempts = delivery::of_round(&delivery_attempts::of_message(tx, id).await?, message.round);
    let outcome = delivery::outcome_of_giving_up(&attempts, call.attempts, call.failure);
    // Settling accepts late evidence that ends a doubt. Giving up is not evidence, so only a pending message is settled.
    if message.state() == State::Pending {
        settle_message(tx, notifications, &mut message, outcome).await
    } else {
        Ok(())
    }
}

/// Settles a message. Does nothing if the message is already settled.
pub(super) async fn settle_message(
    tx: &mut Tx,
    notifications: &Notifications,
    message: &mut Message,
    outcome: Outcome,
) -> Result<(), DbError> {
    let (id, was_in_doubt) = (message.id, message.state() == State::InDoubt);
    let Some(outcome) = message.settle(outcome).cloned() else { return Ok(()) };
    settling::settle(tx, id, &outcome).await?;
    match &outcome {
        Outcome::Sent { receipt, .. } => {
            take_up_waiting(tx, receipt).await?;
            if was_in_doubt {
                doubt::end(tx, message).await?;
            }
        }
        Outcome::InDoubt { doubt } => doubt::tell(tx, message, doubt).await?,
        Outcome::Failed { .. } | Outcome::Suppressed { .. } | Outcome::Cancelled { .. } => {}
    }
    tell(tx, notifications, message);
    Ok(())
}

/// The outcome of a refusal for good: the message failed, or it is in doubt if an earlier attempt may have succeeded.
fn refusal_after(before: &[Attempt], reason: String) -> Outcome {
    match delivery::doubt_about_refusal(before) {
        None => Outcome::Failed { failure: reason },
        Some(doubt) => Outcome::InDoubt { doubt: doubt.to_string() },
    }
}

/// The answer for an attempt that began but in which the provider was not called.
fn uncalled() -> Answer {
    let what = "the provider was not called: the database went away while the attempt was written down";
    Answer::NotAccepted(Trouble { what: what.to_owned(), retry_after: None, source: None })
}

/// The part of an answer that the attempt stores.
fn in_short(answer: &Answer) -> (AttemptOutcome, &str) {
    match answer {
        Answer::Accepted(receipt) => (AttemptOutcome::Accepted, &receipt.provider_message_id),
        Answer::Refused(refusal) => (AttemptOutcome::Refused, &refusal.reason),
        Answer::NotAccepted(Trouble { what, .. }) | Answer::Unauthorised(Trouble { what, .. }) => {
            (AttemptOutcome::NotAccepted, what)
        }
        Answer::Ambiguous(Trouble { what, .. }) | Answer::KeyTaken(Trouble { what, .. }) => {
            (AttemptOutcome::Ambiguous, what)
        }
    }
}

/// Counts and logs the new state of the message, after the commit.
fn tell(tx: &mut Tx, notifications: &Notifications, message: &Message) {
    let (metrics, template) = (notifications.metrics.clone(), message.template.clone());
    let (id, state) = (message.id, message.state());
    let why = match &message.outcome {
        Some(Outcome::InDoubt { doubt: why } | Outcome::Failed { failure: why }) => why.clone(),
        Some(Outcome::Suppressed { reason }) => reason.as_str().to_owned(),
        Some(Outcome::Cancelled { reason }) => reason.clone(),
        Some(Outcome::Sent { .. }) | None => String::new(),
    };
    tx.after_commit(move || {
        metrics.came_to(&template, state);
        let name = state.as_str();
        if state == State::InDoubt {
            tracing::warn!(message.id = %id, message.state = name, doubt = why, "a message is in doubt: a person has to look");
        } else {
            tracing::info!(message.id = %id, message.state = name, failure = why, "the state of a message changed");
        }
    });
}

impl From<Message> for DeliverMessageResponse {
    fn from(message: Message) -> Self {
        Self { state: message.state().into() }
    }
}
