//! A paid order of Ada's, and the steps of the work on it.

use std::collections::HashMap;

use levqor_billing::Billing;
use levqor_proto_billing::v1::{
    AcceptOrderRequest, DeliverOrderRequest, GetOrderRequest, GetOrderResponse, Order, ReviseOrderRequest,
    StartOrderRequest, SubmitOrderIntakeRequest, UpdateOrderIntakeRequest, deliver_order_request::Checklist,
    order_service_client::OrderServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, TestService},
};
use serde_json::Value;
use tonic::Status;

use super::{Bench, event, session};

/// The id of an order that does not exist.
pub(crate) const NO_ORDER: &str = "0190b2c4-0000-7000-8000-000000000000";

/// A checklist that is confirmed.
pub(crate) const CONFIRMED: Checklist =
    Checklist { tested: true, error_free: true, naming: true, documented: true };

/// Ada, who bought the order.
pub(crate) fn ada() -> Caller {
    Caller::customer("ada", "ada@example.com")
}

/// Answers to every required question of the smallest tier.
pub(crate) fn answers() -> HashMap<String, String> {
    let answers = [
        ("work", "Copying orders from mails into a sheet."),
        ("goal", "No order is missing."),
        ("trigger", "A new mail"),
        ("tools", "Gmail, Google Sheets"),
        ("accounts", "Ada invites you to both."),
        ("contact_hours", "By mail only"),
    ];
    answers.into_iter().map(|(id, answer)| (id.to_owned(), answer.to_owned())).collect()
}

impl Bench {
    pub(crate) fn order_client(&self) -> OrderServiceClient<Peer> {
        OrderServiceClient::new(self.service.channel())
    }

    /// A Starter order that Ada paid and that has no owner yet.
    pub(crate) async fn paid(&self) -> Order {
        self.process(&event("evt_paid", "checkout.session.completed", &session("cs_paid"))).await;
        self.order().await
    }

    /// Ada's order with its history.
    pub(crate) async fn shown(&self, order_id: &str) -> GetOrderResponse {
        let request = ada().request(GetOrderRequest { order_id: order_id.to_owned() });
        self.client().get_order(request).await.expect("an order").into_inner()
    }

    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        order_id: &str,
        answers: HashMap<String, String>,
    ) -> Result<(), Status> {
        let request = caller.request(UpdateOrderIntakeRequest { order_id: order_id.to_owned(), answers });
        self.order_client().update_order_intake(request).await.map(drop)
    }

    pub(crate) async fn submit(&self, caller: &Caller, order_id: &str) -> Result<Order, Status> {
        let request = caller.request(SubmitOrderIntakeRequest { order_id: order_id.to_owned() });
        let response = self.order_client().submit_order_intake(request).await?;
        Ok(response.into_inner().order.expect("an order"))
    }

    pub(crate) async fn start_work(&self, caller: &Caller, order_id: &str) -> Result<Order, Status> {
        let request = caller.request(StartOrderRequest { order_id: order_id.to_owned() });
        Ok(self.order_client().start_order(request).await?.into_inner().order.expect("an order"))
    }

    pub(crate) async fn deliver(
        &self,
        caller: &Caller,
        order_id: &str,
        checklist: Checklist,
    ) -> Result<Order, Status> {
        let (order_id, note) = (order_id.to_owned(), "It runs in your account.".to_owned());
        let request = caller.request(DeliverOrderRequest { order_id, checklist: Some(checklist), note });
        Ok(self.order_client().deliver_order(request).await?.into_inner().order.expect("an order"))
    }

    pub(crate) async fn revise(&self, caller: &Caller, order_id: &str, note: &str) -> Result<Order, Status> {
        let request =
            caller.request(ReviseOrderRequest { order_id: order_id.to_owned(), note: note.to_owned() });
        Ok(self.order_client().revise_order(request).await?.into_inner().order.expect("an order"))
    }

    pub(crate) async fn accept(&self, caller: &Caller, order_id: &str) -> Result<Order, Status> {
        let request = caller.request(AcceptOrderRequest { order_id: order_id.to_owned() });
        Ok(self.order_client().accept_order(request).await?.into_inner().order.expect("an order"))
    }

    /// Submits Ada's intake form with every required answer.
    pub(crate) async fn submitted(&self) -> Order {
        let order_id = self.paid().await.order_id;
        self.answer(&ada(), &order_id, answers()).await.expect("saved");
        self.submit(&ada(), &order_id).await.expect("submitted")
    }

    /// An order of Ada's that is delivered.
    pub(crate) async fn delivered(&self) -> Order {
        let order_id = self.submitted().await.order_id;
        self.start_work(&Caller::staff(), &order_id).await.expect("started");
        self.deliver(&Caller::staff(), &order_id, CONFIRMED).await.expect("delivered")
    }
}

/// The ids in the audit entries of an action.
pub(crate) async fn audited(service: &TestService<Billing>, action: &str) -> Vec<Value> {
    sqlx::query_scalar("SELECT ids FROM runtime.audit_entries WHERE action = $1 ORDER BY sequence")
        .bind(action)
        .fetch_all(service.db.pool())
        .await
        .expect("entries")
}
