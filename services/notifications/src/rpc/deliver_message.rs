//! `DeliverMessage`: hands one stored message to the provider and writes down what came of it. Called by this service
//! itself, deferred by `SendMessage`, `ResolveMessage` and `ResendMessage`.
//!
//! Provider and database cannot change together. So an attempt is written down before the provider is called, and settled
//! together with the message after it has answered. A process that is killed between the two leaves an attempt without
//! outcome: the deferred call comes again, and the attempts decide (`domain/delivery.rs`) whether the message may be handed
//! over again or is in doubt.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use levqor_proto_notifications::v1::{self as proto, DeliverMessageRequest, DeliverMessageResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    error::{Invalid, Violations},
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

/// For how long an answer is held on to while the database is away; with the provider's time within `UNDER_WAY`.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait between two tries to write it down.
const SETTLE_AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn deliver_message(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: DeliverMessageRequest,
) -> Result<DeliverMessageResponse, Error> {
    let id = parse(&request)?;
    let (attempt, mail) = match begin(&state, id).await? {
        Begun::Attempt(attempt, mail) => (attempt, mail),
        Begun::Settled(message) => return Ok(message.into()),
        Begun::Perhaps(attempt, error) => {
            // Nobody was called, whatever is stored. The next delivery must neither wait for an outcome nor call it a doubt.
            state.uncalled.note(attempt.id);
            settle_patiently(&state, id, &attempt, &uncalled()).await?;
            return Err(error.into());
        }
    };
    // A provider takes its time; the pool's connections are for others meanwhile.
    fail_point::MESSAGE_ATTEMPTED.reached();
    let answer = state.provider.deliver(&mail).await;
    fail_point::MESSAGE_ANSWERED.reached();
    state.metrics.answered(in_short(&answer).0);
    state.mail_health.answered(&answer, state.chassis.clock.now());
    let message = settle_patiently(&state, id, &attempt, &answer).await?;
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
    /// The attempt may be written down, or not: the commit failed.
    Perhaps(Attempt, DbError),
}

/// Writes down that an attempt begins, or finds that there must be none.
async fn begin(state: &Notifications, id: MessageId) -> Result<Begun, Error> {
    let mut tx = state.chassis.db.begin().await?;
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let mut all = delivery_attempts::of_message(&mut tx, id).await?;
    for attempt in state.uncalled.open_among(&all) {
        let (answer, now) = (uncalled(), tx.now().await?);
        let (outcome, detail) = in_short(&answer);
        delivery_attempts::end(&mut tx, id, &attempt, outcome, detail, now).await?;
        all = delivery_attempts::of_message(&mut tx, id).await?;
    }
    let attempts = delivery::of_round(&all, message.round);
    if message.take_up_again(&attempts) {
        messages::take_up_again(&mut tx, id).await?;
        tell(&mut tx, state, &message);
    }
    if message.state() != State::Pending {
        return Ok(Begun::Settled(message));
    }
    let (provider, now) = (&state.provider, tx.now().await?);
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
    settle_message(&mut tx, state, &mut message, outcome).await?;
    tx.commit().await?;
    fail_point::MESSAGE_DOUBTED.reached();
    Ok(Begun::Settled(message))
}

/// The answer is all that proves what happened: a database that is away for a moment must not cost it.
async fn settle_patiently(
    state: &Notifications,
    id: MessageId,
    attempt: &Attempt,
    answer: &Answer,
) -> Result<Message, Error> {
    let begun = Instant::now();
    loop {
        match settle(state, id, attempt, answer).await {
            Err(Error::Db(DbError::Unavailable(_))) if begun.elapsed() < SETTLE_PATIENCE => {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
            settled => return settled,
        }
    }
}

/// Writes down what came of an attempt, and what follows for the message.
async fn settle(
    state: &Notifications,
    id: MessageId,
    attempt: &Attempt,
    answer: &Answer,
) -> Result<Message, Error> {
    let (outcome, detail) = in_short(answer);
    let mut tx = state.chassis.db.begin().await?;
    let mut message = messages::lock(&mut tx, id).await?.ok_or(Error::MessageNotFound)?;
    let now = tx.now().await?;
    if !delivery_attempts::end(&mut tx, id, attempt, outcome, detail, now).await? {
        return Err(Error::AttemptContradicted);
    }
    fail_point::MESSAGE_ATTEMPT_ENDED.reached();
    let attempts = delivery::of_round(&delivery_attempts::of_message(&mut tx, id).await?, message.round);
    let follows = match answer {
        Answer::Accepted(receipt) => Some(Outcome::Sent { receipt: receipt.clone(), send_time: now }),
        // A person began another round meanwhile: what an older one did not achieve says nothing about it.
        _ if attempt.round != message.round => None,
        Answer::Refused(reason) => {
            let before: Vec<_> = attempts.into_iter().filter(|other| other.id != attempt.id).collect();
            Some(refusal(&before, reason.clone()))
        }
        Answer::NotAccepted(_) | Answer::Unauthorised(_) => None,
        Answer::KeyTaken(_) => Some(Outcome::InDoubt { doubt: delivery::Doubt::KeyTaken.to_string() }),
        Answer::Ambiguous(_) => {
            let provider = &state.provider;
            let doubt = delivery::doubt(&attempts, provider.identity(), provider.key_memory(), now);
            doubt.map(|doubt| Outcome::InDoubt { doubt: doubt.to_string() })
        }
    };
    if let Some(outcome) = follows {
        settle_message(&mut tx, state, &mut message, outcome).await?;
    }
    tx.commit().await?;
    fail_point::MESSAGE_SETTLED.reached();
    Ok(message)
}

/// Decides what follows for a message from a delivery of it that is given up: it has failed, unless a provider may have it.
/// Where the delivery is replayed, it goes on.
pub(crate) async fn gave_up(
    state: &Notifications,
    tx: &mut Tx,
    request: &DeliverMessageRequest,
    call: &GivenUp<'_>,
) -> Result<(), DbError> {
    let Ok(id) = parse(request) else { return Ok(()) };
    let Some(mut message) = messages::lock(tx, id).await? else { return Ok(()) };
    let attempts = delivery::of_round(&delivery_attempts::of_message(tx, id).await?, message.round);
    let outcome = delivery::outcome_of_giving_up(&attempts, call.attempts, call.failure);
    // Late evidence would end a doubt, but this is none.
    if message.state() == State::Pending {
        settle_message(tx, state, &mut message, outcome).await
    } else {
        Ok(())
    }
}

/// Does nothing where the message was settled before.
async fn settle_message(
    tx: &mut Tx,
    state: &Notifications,
    message: &mut Message,
    outcome: Outcome,
) -> Result<(), DbError> {
    let id = message.id;
    let Some(outcome) = message.settle(outcome) else { return Ok(()) };
    messages::settle(tx, id, outcome).await?;
    if let Outcome::Sent { receipt, .. } = outcome {
        take_up_waiting(tx, receipt).await?;
    }
    tell(tx, state, message);
    Ok(())
}

/// Refused for good: it failed, unless it may have been taken before.
fn refusal(before: &[Attempt], reason: String) -> Outcome {
    match delivery::doubt_about_refusal(before) {
        None => Outcome::Failed { failure: reason },
        Some(doubt) => Outcome::InDoubt { doubt: doubt.to_string() },
    }
}

/// What came of an attempt whose beginning could not be confirmed.
fn uncalled() -> Answer {
    let what = "the provider was not called: the database went away while the attempt was written down";
    Answer::NotAccepted(Trouble { what: what.to_owned(), retry_after: None, source: None })
}

/// What is kept of an answer in its attempt.
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

/// Counts and logs, once it is committed, where the message stands now.
fn tell(tx: &mut Tx, notifications: &Notifications, message: &Message) {
    let (metrics, template) = (notifications.metrics.clone(), message.template.clone());
    let (id, state) = (message.id, message.state());
    let why = match &message.outcome {
        Some(Outcome::InDoubt { doubt: why } | Outcome::Failed { failure: why }) => why.clone(),
        Some(Outcome::Sent { .. }) | None => String::new(),
    };
    tx.tell(move || {
        metrics.came_to(&template, state);
        let name = state.as_str();
        if state == State::InDoubt {
            tracing::warn!(message.id = %id, message.state = name, doubt = why, "a message is in doubt: a person has to look");
        } else {
            tracing::info!(message.id = %id, message.state = name, failure = why, "a message has another state");
        }
    });
}

fn parse(request: &DeliverMessageRequest) -> Result<MessageId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("message_id", &request.message_id, MessageId::EXPECTED);
    violations.finish(id)
}

impl From<Message> for DeliverMessageResponse {
    fn from(message: Message) -> Self {
        Self { state: proto::message::State::from(message.state()).into() }
    }
}
