//! Withdrawals from contracts that were concluded just now.

use levqor_proto_billing::v1::{
    GetOrderWithdrawalRequest, GetOrderWithdrawalResponse, Order, SettleWithdrawalRequest,
    WithdrawOrderRequest, Withdrawal, WithdrawalOffer, withdrawal::State,
    withdrawal_service_client::WithdrawalServiceClient,
};
use levqor_runtime::{client::Peer, clock::Clock, testing::Caller};
use serde_json::{Value, json};
use tonic::Status;
use wiremock::MockServer;

use super::{Shop, ada, event, session, subscription, with};

/// Stripe's answer while it is busy: it changes nothing, and does not count as an outage.
pub(crate) fn busy() -> Value {
    json!({"error": {"type": "invalid_request_error"}})
}

/// The time now, as Stripe gives it.
fn now() -> i64 {
    Clock::default().now().timestamp()
}

/// A session that was paid just now.
pub(crate) fn session_now(id: &str) -> Value {
    let intent = json!({"id": format!("pi_{id}"), "latest_charge": {"id": "ch_1", "created": now()}});
    with(session(id), &[("payment_intent", intent)])
}

/// A subscription that began just now.
pub(crate) fn subscription_now(status: &str) -> Value {
    let end = if status == "canceled" { json!(now()) } else { Value::Null };
    with(subscription(status, &[("GROWTH", 7900)]), &[("start_date", json!(now())), ("ended_at", end)])
}

/// Its payment: an invoice in today's form.
pub(crate) fn invoices() -> Value {
    let payment = json!({
        "object": "invoice_payment", "status": "paid", "amount_paid": 7900,
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
    });
    let invoice = json!({
        "id": "in_1", "object": "invoice", "status": "paid", "currency": "gbp", "amount_paid": 7900,
        "status_transitions": {"paid_at": now()}, "payments": {"data": [payment]},
    });
    json!({"object": "list", "data": [invoice]})
}

impl Shop {
    pub(crate) fn withdrawals(&self) -> WithdrawalServiceClient<Peer> {
        WithdrawalServiceClient::new(self.bench.service.channel())
    }

    /// An order that Ada paid just now, and a Stripe that is too busy to refund it.
    pub(crate) async fn sold_now() -> (Self, Order) {
        Self::sold_with(session_now("cs_1")).await
    }

    /// The same, by this session.
    pub(crate) async fn sold_with(session: Value) -> (Self, Order) {
        let shop = Self::open_at(MockServer::start().await).await;
        shop.answer("GET", "/v1/checkout/sessions/cs_1", 200, session.clone()).await;
        shop.bench.process(&event("evt_1", "checkout.session.completed", &session)).await;
        shop.answer("POST", "/v1/refunds", 429, busy()).await;
        let order = shop.bench.order().await;
        (shop, order)
    }

    /// What this caller is shown of an order.
    pub(crate) async fn shown(
        &self,
        caller: &Caller,
        order: &Order,
    ) -> Result<GetOrderWithdrawalResponse, Status> {
        let request = GetOrderWithdrawalRequest { order_id: order.order_id.clone() };
        Ok(self.withdrawals().get_order_withdrawal(caller.request(request)).await?.into_inner())
    }

    /// What Ada can do now.
    pub(crate) async fn offer(&self, order: &Order) -> WithdrawalOffer {
        self.shown(&ada(), order).await.expect("shown").offer.expect("an offer")
    }

    /// The withdrawal that Ada made.
    pub(crate) async fn made(&self, order: &Order) -> Withdrawal {
        self.shown(&ada(), order).await.expect("shown").withdrawal.expect("a withdrawal")
    }

    /// Confirms an offer.
    pub(crate) async fn withdraw(
        &self,
        caller: &Caller,
        order: &Order,
        etag: &str,
    ) -> Result<Withdrawal, Status> {
        let request = WithdrawOrderRequest { order_id: order.order_id.clone(), etag: etag.to_owned() };
        let response = self.withdrawals().withdraw_order(caller.request(request)).await?;
        Ok(response.into_inner().withdrawal.expect("a withdrawal"))
    }

    /// Ada withdraws as it is shown to her.
    pub(crate) async fn withdrawn(&self, order: &Order) -> Withdrawal {
        let etag = self.offer(order).await.etag;
        self.withdraw(&ada(), order, &etag).await.expect("withdrawn")
    }

    /// Settles a withdrawal, as the deferred call does.
    pub(crate) async fn settle(&self, withdrawal: &Withdrawal) -> Result<State, Status> {
        let request = SettleWithdrawalRequest { withdrawal_id: withdrawal.withdrawal_id.clone() };
        let request = Caller::service("billing", "billing").request(request);
        Ok(self.withdrawals().settle_withdrawal(request).await?.into_inner().state())
    }

    /// How many notices about withdrawals operators get.
    pub(crate) async fn notices(&self) -> i64 {
        let kind = "'OPERATOR_NOTICE_KIND_WITHDRAWAL:%'";
        self.bench.count(&format!("runtime.work WHERE idempotency_key LIKE {kind}")).await
    }

    /// The money that was paid back or is about to be, in pence.
    pub(crate) async fn given_back(&self) -> i64 {
        let sum = "SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds WHERE state NOT IN ('FAILED', 'CANCELED')";
        sqlx::query_scalar(sum).fetch_one(self.bench.service.db.pool()).await.expect("a sum")
    }
}
