//! Carries out operations at Stripe: outside of any transaction, between the one that stored the operation and the one that
//! stores its outcome. After a crash or an outage the schedule `finish_stripe_operations` carries on.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    idempotency::{IdempotencyError, request_hash},
};
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Billing,
    domain::{
        buyer::Buyer,
        customer::CustomerId,
        operation::{AlreadySettled, FinalAnswer, Kind, Operation, OperationState, RequestKey},
        order::OrderId,
        refund::RefundId,
        stripe_event::News,
        stripe_id::StripeId,
        stripe_refund::StripeRefund,
        subscription::{State, SubscriptionId},
    },
    error::Error,
    fail_point,
    mirror::payments,
    operators,
    store::{customers, operations, orders, refunds, subscriptions},
    stripe::{CallError, FetchError, Stripe},
};

/// Stripe keeps a key's answer for 24 hours at least (<https://docs.stripe.com/api/idempotent_requests>). After this long, it is
/// no longer relied on.
const KEYS_LAST: TimeDelta = TimeDelta::hours(23);
/// When a caller may try again, if Stripe does not say.
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl Billing {
    /// The client of Stripe's API.
    pub(crate) fn stripe(&self) -> Result<&Stripe, Error> {
        self.stripe.as_ref().ok_or(Error::ShopClosed("STRIPE_SECRET_KEY is not set"))
    }

    /// Carries out an operation that is stored, and stores its outcome. The same operation may be carried out twice at the same
    /// time: Stripe does it once, and the first outcome is stored.
    pub(crate) async fn carry_out(
        &self,
        operation: &Operation,
        time_budget: Duration,
    ) -> Result<Operation, Error> {
        match operation.state {
            OperationState::Done => return Ok(operation.clone()),
            OperationState::Refused => return Err(Error::StripeRefused),
            OperationState::Requested => {}
        }
        let (stripe, begun) = (self.stripe()?, Instant::now());
        fail_point::OPERATION_STORED.reached();
        let is_old = self.chassis.clock.now() - operation.create_time > KEYS_LAST;
        // Stripe keeps no answers to deletions.
        let is_end = operation.kind == Kind::SubscriptionEnd;
        let done = if is_old || is_end || operation.attempt > 0 {
            self.find_done(&stripe.within(time_budget), operation)
                .await
                .map_err(|error| unavailable_to_fetch(&error))?
        } else {
            None
        };
        let answer = match done {
            Some(object) => Ok(object),
            // Only the caller could use the result, and no caller waits any more.
            None if is_old
                && !matches!(operation.kind, Kind::Customer | Kind::Refund | Kind::SubscriptionEnd) =>
            {
                Err(CallError::Refused { status: 408, code: None })
            }
            None => stripe.perform(operation, time_budget.saturating_sub(begun.elapsed())).await,
        };
        if answer.is_ok() {
            fail_point::OPERATION_ANSWERED.reached();
        }
        match answer {
            Ok(object) => self.settle_done(operation, &object).await,
            Err(CallError::Refused { status: 402, .. }) => {
                self.settle_refused(operation, "the payment was declined").await?;
                Err(Error::PaymentDeclined)
            }
            Err(refusal) if refusal.is_refusal() => {
                // Another caller may have ended it a moment ago.
                if is_end
                    && let Some(object) = self
                        .find_done(stripe, operation)
                        .await
                        .map_err(|error| unavailable_to_fetch(&error))?
                {
                    return self.settle_done(operation, &object).await;
                }
                let reason = refusal.name();
                tracing::warn!(reason, "Stripe refuses an operation");
                self.settle_refused(operation, &reason).await?;
                Err(Error::StripeRefused)
            }
            Err(CallError::Failed(_)) => {
                let mut tx = self.chassis.db.begin().await?;
                operations::take_another_key(&mut tx, operation).await?;
                tx.commit().await?;
                Err(Error::StripeUnavailable(TRY_AGAIN))
            }
            Err(away) => Err(unavailable(&away)),
        }
    }

    /// Finds out whether Stripe has done an operation, if its key can no longer be used to find that out.
    async fn find_done(&self, stripe: &Stripe, operation: &Operation) -> Result<Option<Value>, FetchError> {
        let about = operation.about.to_string();
        let label = |object: &Value, name: &str| {
            object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str) == Some(about.as_str())
        };
        let away = |_| FetchError::Temporary("the database does not answer".to_owned());
        match operation.kind {
            Kind::Customer => {
                let mut conn = self.chassis.db.acquire().await.map_err(away)?;
                let email =
                    customers::email(&mut conn, CustomerId::from(operation.about)).await.map_err(away)?;
                drop(conn);
                let Some(email) = email else { return Ok(None) };
                let found = stripe.customers_of(&email).await?;
                Ok(found.into_iter().find(|customer| label(customer, "customer_id")))
            }
            Kind::Refund => {
                let mut tx = self.chassis.db.begin().await.map_err(away)?;
                let refund = refunds::lock(&mut tx, RefundId::from(operation.about)).await.map_err(away)?;
                drop(tx);
                let Some(payment) = refund.and_then(|refund| refund.stripe_payment_intent_id) else {
                    return Ok(None);
                };
                let found = stripe.refund_objects_of("payment_intent", &payment).await?;
                Ok(found.into_iter().find(|refund| label(refund, "refund_id")))
            }
            Kind::SubscriptionEnd => {
                let id = operation.path.rsplit('/').next().and_then(|id| id.parse::<StripeId>().ok());
                let Some(id) = id else { return Ok(None) };
                let now = stripe.subscription(&id).await?;
                Ok((now.state == State::Canceled).then(|| json!({"id": id.as_str()})))
            }
            Kind::CustomerUpdate | Kind::Checkout | Kind::CheckoutExpiry | Kind::SubscriptionUpdate => {
                Ok(None)
            }
        }
    }

    async fn settle_done(&self, operation: &Operation, object: &Value) -> Result<Operation, Error> {
        let mut tx = self.chassis.db.begin().await?;
        let mut stored = operations::lock(&mut tx, operation.id).await?.ok_or(Error::StripeRefused)?;
        stored.state = match stored.state.after(FinalAnswer::Done) {
            Ok(state) => state,
            Err(settled) => {
                not_stored(settled);
                return if settled == AlreadySettled::Done { Ok(stored) } else { Err(Error::StripeRefused) };
            }
        };
        let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<StripeId>().ok());
        let id = id.ok_or(Error::StripeUnavailable(TRY_AGAIN))?;
        stored.url = object.get("url").and_then(Value::as_str).map(str::to_owned);
        let expires = object.get("expires_at").and_then(Value::as_i64);
        stored.expire_time = expires.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
        match stored.kind {
            Kind::Customer => {
                customers::set_stripe_customer(&mut tx, CustomerId::from(stored.about), &id).await?;
            }
            Kind::CustomerUpdate => {
                let email = object.get("email").and_then(Value::as_str).and_then(|email| email.parse().ok());
                if let Some(email) = email {
                    customers::set_email(&mut tx, CustomerId::from(stored.about), &email).await?;
                }
            }
            Kind::Checkout => link_session(&mut tx, &stored, &id).await?,
            Kind::CheckoutExpiry => abandon(&mut tx, stored.about).await?,
            // The answer may be an old one that Stripe repeats for the key, so it is not mirrored. The event, or the RPC that
            // waits, fetches and mirrors the current state.
            Kind::SubscriptionUpdate | Kind::SubscriptionEnd => {}
            Kind::Refund => {
                if let Ok(refund) = StripeRefund::read(object) {
                    payments::mirror_refund(&mut tx, &refund, News::All).await?;
                }
            }
        }
        stored.stripe_object_id = Some(id);
        operations::done(&mut tx, &stored).await?;
        fail_point::OPERATION_WRITTEN.reached();
        tx.commit().await?;
        fail_point::OPERATION_SETTLED.reached();
        Ok(stored)
    }

    /// Stores that an operation will never be done, and what follows from that.
    pub(crate) async fn settle_refused(&self, operation: &Operation, reason: &str) -> Result<(), Error> {
        let mut tx = self.chassis.db.begin().await?;
        let stored = operations::lock(&mut tx, operation.id).await?.ok_or(Error::StripeRefused)?;
        if let Err(settled) = stored.state.after(FinalAnswer::Refused) {
            not_stored(settled);
            return Ok(());
        }
        match stored.kind {
            Kind::Checkout => abandon(&mut tx, stored.about).await?,
            Kind::Refund => payments::refuse_refund(&mut tx, RefundId::from(stored.about), reason).await?,
            Kind::SubscriptionEnd => {
                operators::subscription_not_ended(&mut tx, SubscriptionId::from(stored.about)).await?;
            }
            Kind::Customer | Kind::CustomerUpdate | Kind::CheckoutExpiry | Kind::SubscriptionUpdate => {}
        }
        operations::refused(&mut tx, stored.id, reason).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Logs a second answer: another worker carried out the same operation at the same time.
fn not_stored(settled: AlreadySettled) {
    tracing::info!(reason = %settled, "another answer of Stripe's is not stored");
}

/// Writes the session's id into the row that waits for it: a subscription, or an order.
async fn link_session(tx: &mut Tx, operation: &Operation, session: &StripeId) -> Result<(), Error> {
    if let Some(mut row) = subscriptions::lock(tx, SubscriptionId::from(operation.about)).await? {
        row.stripe_checkout_session_id = Some(session.clone());
        subscriptions::update(tx, &row).await?;
        return Ok(());
    }
    let order = orders::lock_by_id(tx, OrderId::from(operation.about)).await?;
    if order.is_some_and(|order| order.stripe_checkout_session_id.is_none()) {
        orders::set_session(tx, OrderId::from(operation.about), session).await?;
    }
    Ok(())
}

/// Ends the order or subscription that waits for a checkout, because the checkout will not be finished.
pub(crate) async fn abandon(tx: &mut Tx, about: Uuid) -> Result<(), Error> {
    let now = tx.now().await?;
    if let Some(mut row) = subscriptions::lock(tx, SubscriptionId::from(about)).await?
        && row.abandon(now)
    {
        subscriptions::update(tx, &row).await?;
    }
    if let Some(mut order) = orders::lock_by_id(tx, OrderId::from(about)).await?
        && order.abandon(now)
    {
        orders::update(tx, &order).await?;
    }
    Ok(())
}

/// The caller's idempotency key, scoped to this RPC, and the hash of the request.
pub(crate) fn request_key<R: Message>(ctx: &Ctx, request: &R) -> Option<RequestKey> {
    let key = ctx.idempotency_key.as_ref()?;
    Some(RequestKey { key: format!("{} {key}", ctx.method.rpc), hash: request_hash(request) })
}

/// The operation that the same request under the same key has led to. The key is refused if it was used with another request.
pub(crate) async fn known_operation(
    tx: &mut Tx,
    buyer: &Buyer,
    request: Option<&RequestKey>,
) -> Result<Option<Operation>, Error> {
    let Some(request) = request else { return Ok(None) };
    let known = operations::of_request(tx, buyer.sub(), &request.key).await?;
    if known.as_ref().is_some_and(|known| known.request.as_ref() != Some(request)) {
        return Err(IdempotencyError::key_reused().into());
    }
    Ok(known)
}

/// Gives up the operation of this kind about this row that is still to be done, because the customer wants something else now. If
/// Stripe's answer was lost, Stripe may have done it. Returns whether there was one.
pub(crate) async fn supersede(tx: &mut Tx, about: Uuid, kind: Kind) -> Result<bool, DbError> {
    let Some(newest) = operations::newest(tx, about, kind).await? else { return Ok(false) };
    let stored = operations::lock(tx, newest.id).await?;
    let Some(stored) = stored.filter(|stored| stored.state == OperationState::Requested) else {
        return Ok(false);
    };
    operations::refused(tx, stored.id, "replaced by a newer request").await?;
    Ok(true)
}

/// The error for a caller, when Stripe was not asked or did not answer.
pub(crate) fn unavailable(error: &CallError) -> Error {
    match error {
        CallError::NotMade { after, .. } => Error::StripeUnavailable(*after),
        CallError::Refused { status: 402, .. } => Error::PaymentDeclined,
        CallError::Refused { .. } => Error::StripeRefused,
        CallError::Unknown(_)
        | CallError::Unreadable
        | CallError::Failed(_)
        | CallError::Limited(_)
        | CallError::NotAllowed(_) => Error::StripeUnavailable(TRY_AGAIN),
    }
}

/// The same for a fetch.
pub(crate) fn unavailable_to_fetch(error: &FetchError) -> Error {
    tracing::info!(reason = %error, "Stripe cannot be asked");
    Error::StripeUnavailable(TRY_AGAIN)
}
