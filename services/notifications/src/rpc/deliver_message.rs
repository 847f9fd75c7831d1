//! `DeliverMessage`: hands one stored message to the provider and stores the outcome. This service calls it; `SendMessage`,
//! `ResolveMessage` and `ResendMessage` defer the call. It works without `mutate`, because it calls the provider between two
//! transactions.
//!
//! Provider and database cannot change in one transaction. So an attempt is stored before the provider is called. After the
//! answer, the attempt and the message are settled together. A process that is killed between the two leaves an attempt without
//! an outcome. The deferred call is then made again, and the stored attempts decide (`domain/delivery.rs`) whether the message
//! may be handed over again or is in doubt.

use std::time::{Duration, Instant};

use levqor_proto_notifications::v1::{DeliverMessageRequest, DeliverMessageResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    request,
    service::GivenUp,
};

use crate::{
    Notifications,
    domain::{
        delivery::{self, Attempt, AttemptId, AttemptOutcome, Step, UNDER_WAY},
        message::{Mail, Message, MessageId, Outcome, State},
    },
    error::Error,
    fail_point,
    provider::{Answer, Trouble},
    rpc::apply_provider_event::take_up_waiting,
    store::{delivery_attempts, messages},
};

/// How long to keep trying to store an answer while the database is down. Together with the provider's timeout this is less than
/// `UNDER_WAY`.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);
/// The time between two tries to store it.
const SETTLE_AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn deliver_message(
    notifications: &Notifications,
    _: Ctx,
    request: DeliverMessageRequest,
) -> Result<DeliverMessageResponse, Error> {
    let id = request::id("message_id", &request.message_id)?;
    let (attempt, mail) = match begin(notifications, id).await? {
        Begun::Attempt(attempt, mail) => (attempt, mail),
        Begun::Settled(message) => return Ok(message.into()),
        Begun::Perhaps(attempt, error) => {
            // The provider was not called, although the attempt may be stored. The note lets the next delivery continue: it must
            // not wait for an outcome, and there is no doubt.
            notifications.uncalled.note(attempt.id);
            settle_patiently(notifications, id, &attempt, &uncalled()).await?;
            return Err(error.into());
        }
    };
    // The provider may be slow, so no database connection is held during the call.
    fail_point::MESSAGE_ATTEMPTED.reached();
    let answer = notifications.provider.deliver(&mail).await;
    fail_point::MESSAGE_ANSWERED.reached();
    notifications.metrics.answered(in_short(&answer).0);
    notifications.mail_health.answered(&answer, notifications.chassis.clock.now());
    let message = settle_patiently(notifications, id, &attempt, &answer).await?;
    match (message.state(), answer) {
        (
            State::Pending,
            Answer::NotAccepted(trouble) | Answer::Unauthorised(trouble) | Answer::Ambiguous(trouble),
        ) => Err(Error::ProviderUnavailable(trouble)),
        _ => Ok(message.into()),
    }
}

enum Begun {
    Attempt(Attempt, Mail),
    Settled(Message),
    /// The commit failed, so the attempt may or may not be stored.
    Perhaps(Attempt, DbError),
}

/// Stores the beginning of an attempt, or finds that there must be no attempt.
async fn begin(notifications: &Notifications, id: MessageId) -> Result<Begun, Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let mut all = delivery_attempts::of_message(&mut tx, id).await?;
    for attempt in notifications.uncalled.open_among(&all) {
        let (answer, now) = (uncalled(), tx.now().await?);
        let (outcome, detail) = in_short(&answer);
        delivery_attempts::end(&mut tx, id, &attempt, outcome, detail, now).await?;
        all = delivery_attempts::of_message(&mut tx, id).await?;
    }
    let attempts = delivery::of_round(&all, message.round);
    if message.take_up_again(&attempts) {
        messages::take_up_again(&mut tx, id).await?;
        tell(&mut tx, notifications, &message);
    }
    if message.state() != State::Pending {
        return Ok(Begun::Settled(message));
    }
    let (provider, now) = (&notifications.provider, tx.now().await?);
    let (identity, memory) = (provider.identity(), provider.key_memory());
    let step = delivery::next_step(&all, message.round, identity, memory, now);
    if let Step::Wait(left) = step {
        return Err(Error::DeliveryUnderWay(left.to_std().unwrap_or_default()));
    }
    delivery_attempts::end_lost(&mut tx, id, now - UNDER_WAY, now).await?;
    let body = messages::body(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let outcome = match (step, message.to_mail(body)) {
        (Step::Doubt(doubt), _) => Outcome::InDoubt { doubt: doubt.to_string() },
        (_, Err(nobody)) => refusal(&attempts, nobody.to_string()),
        (_, Ok(mail)) => {
            let attempt = Attempt {
                id: AttemptId::new_at(now),
                provider: identity.to_owned(),
                round: message.round,
                idempotency_key: mail.key.clone(),
                begin_time: now,
                end: None,
                detail: String::new(),
            };
            delivery_attempts::begin(&mut tx, id, &attempt).await?;
            return Ok(match tx.commit().await {
                Ok(()) => Begun::Attempt(attempt, mail),
                Err(error) => Begun::Perhaps(attempt, error),
            });
        }
    };
    settle_message(&mut tx, notifications, &mut message, outcome).await?;
    tx.commit().await?;
    fail_point::MESSAGE_DOUBTED.reached();
    Ok(Begun::Settled(message))
}

/// Stores the answer, and retries while the database is down: the answer is the only evidence of the outcome.
async fn settle_patiently(
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
        Answer::Refused(reason) => {
            let before: Vec<_> = attempts.into_iter().filter(|other| other.id != attempt.id).collect();
            Some(refusal(&before, reason.clone()))
        }
        Answer::NotAccepted(_) | Answer::Unauthorised(_) => None,
        Answer::KeyTaken(_) => Some(Outcome::InDoubt { doubt: delivery::Doubt::KeyTaken.to_string() }),
        Answer::Ambiguous(_) => {
            let provider = &notifications.provider;
            let doubt = delivery::doubt(&attempts, provider.identity(), provider.key_memory(), now);
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
    // Settling accepts late evidence that ends a doubt. Giving up is no evidence, so only a pending message is settled.
    if message.state() == State::Pending {
        settle_message(tx, notifications, &mut message, outcome).await
    } else {
        Ok(())
    }
}

/// Settles a message. Does nothing if the message is already settled.
async fn settle_message(
    tx: &mut Tx,
    notifications: &Notifications,
    message: &mut Message,
    outcome: Outcome,
) -> Result<(), DbError> {
    let id = message.id;
    let Some(outcome) = message.settle(outcome) else { return Ok(()) };
    messages::settle(tx, id, outcome).await?;
    if let Outcome::Sent { receipt, .. } = outcome {
        take_up_waiting(tx, receipt).await?;
    }
    tell(tx, notifications, message);
    Ok(())
}

/// The outcome of a refusal for good: the message failed, or it is in doubt if an earlier attempt may have succeeded.
fn refusal(before: &[Attempt], reason: String) -> Outcome {
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
        Answer::Refused(reason) => (AttemptOutcome::Refused, reason),
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
        Some(Outcome::Sent { .. }) | None => String::new(),
    };
    tx.after_commit(move || {
        metrics.came_to(&template, state);
        let name = state.as_str();
        if state == State::InDoubt {
            tracing::warn!(message.id = %id, message.state = name, doubt = why, "a message is in doubt: a person has to look");
        } else {
            tracing::info!(message.id = %id, message.state = name, failure = why, "a message has another state");
        }
    });
}

impl From<Message> for DeliverMessageResponse {
    fn from(message: Message) -> Self {
        Self { state: message.state().into() }
    }
}
