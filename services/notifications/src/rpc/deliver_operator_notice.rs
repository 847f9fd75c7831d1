//! `DeliverOperatorNotice`: hands one notice to one channel and stores the outcome. This service calls it; `NotifyOperators` defers
//! the call. It works without `mutate`, because it calls the channel between two transactions.
//!
//! The attempt is stored before the channel is called. A process that is killed between the two leaves an attempt without an
//! outcome, which counts as an attempt without a known answer (`domain/operator_delivery.rs`).

use levqor_proto_notifications::v1::{DeliverOperatorNoticeRequest, DeliverOperatorNoticeResponse};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    error::{Invalid, Violations},
    service::GivenUp,
};

use crate::{
    Notifications,
    domain::{
        operator_delivery::{DeliveryState, OperatorDelivery, Step},
        operator_notice::{Channel, NoticeId, NoticeKind, Told},
    },
    error::Error,
    operators::Answer,
    store::{operator_deliveries, operator_notices},
};

pub(super) async fn deliver_operator_notice(
    notifications: &Notifications,
    _: Ctx,
    request: DeliverOperatorNoticeRequest,
) -> Result<DeliverOperatorNoticeResponse, Error> {
    let Command { id, channel } = (&request).try_into()?;
    let told = match begin(notifications, id, channel).await? {
        Begun::Attempt(told) => told,
        Begun::Settled(state) => return Ok(DeliverOperatorNoticeResponse { state: state.into() }),
    };
    let now = notifications.chassis.clock.now();
    let answer = notifications.operators.deliver(channel, &told, now).await;
    let state = settle(notifications, id, channel, told.kind, answer.as_ref()).await?;
    match answer {
        Some(Answer::NotTaken { retry_after, .. }) => Err(Error::ChannelUnavailable(retry_after)),
        Some(Answer::Unknown(_)) if state == DeliveryState::Pending => Err(Error::ChannelUnavailable(None)),
        Some(Answer::Unknown(_) | Answer::Taken(_)) | None => {
            Ok(DeliverOperatorNoticeResponse { state: state.into() })
        }
    }
}

enum Begun {
    Attempt(Told),
    Settled(DeliveryState),
}

/// Stores the beginning of an attempt, or finds that there must be no attempt.
async fn begin(notifications: &Notifications, id: NoticeId, channel: Channel) -> Result<Begun, Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    let delivery = operator_deliveries::lock(&mut tx, id, channel).await?;
    let mut delivery = delivery.ok_or(Error::OperatorNoticeNotFound)?;
    let (told, _) = operator_notices::told(&mut tx, id).await?.ok_or(Error::OperatorNoticeNotFound)?;
    let step = delivery.begin(tx.now().await?);
    if let Step::Wait(left) = step {
        return Err(Error::DeliveryUnderWay(left.to_std().unwrap_or_default()));
    }
    operator_deliveries::update(&mut tx, id, channel, &delivery).await?;
    tx.commit().await?;
    Ok(if step == Step::Call { Begun::Attempt(told) } else { Begun::Settled(delivery.state) })
}

/// Stores the answer; none means that the channel was turned off after the notice was stored.
async fn settle(
    notifications: &Notifications,
    id: NoticeId,
    channel: Channel,
    kind: NoticeKind,
    answer: Option<&Answer>,
) -> Result<DeliveryState, Error> {
    let mut tx = notifications.chassis.db.begin().await?;
    let delivery = operator_deliveries::lock(&mut tx, id, channel).await?;
    let mut delivery = delivery.ok_or(Error::OperatorNoticeNotFound)?;
    match answer {
        Some(Answer::Taken(receipt)) => delivery.sent(receipt.clone()),
        Some(Answer::NotTaken { what, .. }) => delivery.not_taken(what),
        Some(Answer::Unknown(what)) => delivery.unanswered(what),
        None => delivery.give_up("the channel is off".to_owned()),
    }
    operator_deliveries::update(&mut tx, id, channel, &delivery).await?;
    tell(&mut tx, notifications, (id, kind), channel, &delivery);
    tx.commit().await?;
    Ok(delivery.state)
}

/// Settles a delivery whose call is dead. Replaying the call begins again.
pub(crate) async fn gave_up(
    notifications: &Notifications,
    tx: &mut Tx,
    request: &DeliverOperatorNoticeRequest,
    call: &GivenUp<'_>,
) -> Result<(), DbError> {
    let Ok(Command { id, channel }) = Command::try_from(request) else { return Ok(()) };
    let Some(mut delivery) = operator_deliveries::lock(tx, id, channel).await? else { return Ok(()) };
    let Some((told, _)) = operator_notices::told(tx, id).await? else { return Ok(()) };
    let before = delivery.failure.clone().unwrap_or_else(|| call.failure.to_owned());
    delivery.give_up(format!("given up after {} attempts: {before}", call.attempts));
    operator_deliveries::update(tx, id, channel, &delivery).await?;
    tell(tx, notifications, (id, told.kind), channel, &delivery);
    Ok(())
}

/// Counts and logs the new state of the delivery, after the commit.
fn tell(
    tx: &mut Tx,
    notifications: &Notifications,
    (id, kind): (NoticeId, NoticeKind),
    channel: Channel,
    delivery: &OperatorDelivery,
) {
    let (state, failure) = (delivery.state, delivery.failure.clone().unwrap_or_default());
    let metrics = notifications.metrics.clone();
    tx.after_commit(move || {
        metrics.delivered_notice(kind, channel, state);
        let channel = channel.as_str();
        match state {
            DeliveryState::Sent | DeliveryState::Pending => {
                tracing::info!(operator_notice.id = %id, channel, failure, "a channel answered a notice for operators");
            }
            DeliveryState::Failed | DeliveryState::InDoubt => {
                tracing::warn!(operator_notice.id = %id, channel, failure, "a notice for operators may not have arrived");
            }
        }
    });
}

/// A valid request.
struct Command {
    id: NoticeId,
    channel: Channel,
}

impl TryFrom<&DeliverOperatorNoticeRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &DeliverOperatorNoticeRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("operator_notice_id", &request.operator_notice_id);
        let channel = violations.field_enum("channel", request.channel);
        violations.finish(id.zip(channel).map(|(id, channel)| Self { id, channel }))
    }
}
