//! Begins the flows of orders, and says whether a mail of a flow is still wanted.

use levqor_proto_billing::v1::TakeFlowStepRequest;
use levqor_runtime::{
    context::Scope,
    db::{DbError, Tx},
    deferred::defer_at,
    guard::{GuardError, Wanted},
};
use sqlx::PgConnection;

use crate::{
    domain::{
        order::{Order, OrderId, Tier},
        order_event::Kind,
        order_flow::{End, Flow},
    },
    operators,
    store::{
        order_flows,
        orders::{self, upgrades},
    },
};

/// Begins and ends the flows that follow from a step of an order, in the transaction of the step.
pub(crate) async fn follow(tx: &mut Tx, order: &Order, kind: Kind) -> Result<(), DbError> {
    match kind {
        Kind::Paid => {
            begin(tx, order.id, Flow::IntakeReminders).await?;
            if order.terms.tier == Tier::Starter {
                begin(tx, order.id, Flow::UpgradeOffer).await?;
            }
            Ok(())
        }
        Kind::IntakeSubmitted => {
            let reminders = order_flows::lock(tx, order.id, Flow::IntakeReminders).await?;
            order_flows::end(tx, order.id, Flow::IntakeReminders, End::IntakeSubmitted).await?;
            // The last step sent operators a notice about the missing form.
            if reminders.is_some_and(|flow| flow.end_reason.as_deref() == Some(End::Done.as_str())) {
                operators::intake_came(tx, order.id).await?;
            }
            Ok(())
        }
        Kind::Accepted => begin(tx, order.id, Flow::NextSteps).await,
        _ => Ok(()),
    }
}

async fn begin(tx: &mut Tx, order: OrderId, flow: Flow) -> Result<(), DbError> {
    let now = tx.now().await?;
    let Some((time, _)) = flow.step(1, now) else { return Ok(()) };
    if order_flows::begin(tx, order, flow, now, time).await? {
        take_later(tx, order, flow, 1, time).await?;
    }
    Ok(())
}

/// Defers a step to its time.
pub(crate) async fn take_later(
    tx: &mut Tx,
    order: OrderId,
    flow: Flow,
    step: i32,
    time: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbError> {
    let call = TakeFlowStepRequest { order_id: order.to_string(), flow: flow.as_str().to_owned(), step };
    defer_at(tx, &call, format!("flow:{order}:{}:{step}", flow.as_str()), time).await
}

/// The subject of the guard of a flow's mail.
pub(crate) fn guard_subject(order: OrderId, flow: Flow) -> String {
    format!("flow:{order}:{}", flow.as_str())
}

/// Why the flow must not go on with this order now.
pub(crate) async fn ends(conn: &mut PgConnection, flow: Flow, order: &Order) -> Result<Option<End>, DbError> {
    let has_higher_tier =
        flow == Flow::UpgradeOffer && upgrades::has_higher_tier(conn, &order.terms.customer_email).await?;
    Ok(flow.ends(order, has_higher_tier))
}

/// Whether a mail of a flow is still wanted: notifications asks just before it goes out.
pub(crate) async fn still_wanted(conn: &mut PgConnection, subject: &str) -> Result<Wanted, GuardError> {
    let parts: Vec<_> = subject.split(':').collect();
    let ["flow", order, flow] = parts[..] else { return Err(GuardError::UnknownSubject) };
    let (Ok(order), Ok(flow)) = (order.parse::<OrderId>(), flow.parse::<Flow>()) else {
        return Err(GuardError::UnknownSubject);
    };
    let order = orders::get(conn, &Scope::All, order).await?.ok_or(GuardError::UnknownSubject)?;
    Ok(ends(conn, flow, &order).await?.map_or(Wanted::Yes, |end| Wanted::No(end.as_str())))
}
