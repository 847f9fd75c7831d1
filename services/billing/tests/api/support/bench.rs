//! The whole service under test, with its journal running, and helpers for the tests.

use std::{ops::Deref, sync::OnceLock};

use bytes::Bytes;
use levqor_billing::Billing;
use levqor_proto_billing::v1::{
    GetStripeEventRequest, GetStripeEventResponse, IngestStripeEventRequest, IngestStripeEventResponse,
    ListOrdersRequest, Order, StripeEvent, billing_service_client::BillingServiceClient, stripe_event::State,
};
use levqor_proto_mail::v1::SendMessageRequest;
use levqor_runtime::{
    client::Peer,
    clock::Clock,
    config::{Env, Reader},
    telemetry::{self, TelemetryConfig, TelemetryGuard},
    testing::{Caller, TestService, eventually},
};
use prost::Message;
use serde_json::Value;
use tonic::Status;

use super::sign;

/// The signing secret of the webhook endpoint.
pub(crate) const SECRET: &str = "whsec_of_the_tests";

/// The running service.
pub(crate) struct Bench {
    pub(crate) service: TestService<Billing>,
}

impl Bench {
    /// Starts billing without a key of Stripe's API.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts billing with a key, and with Stripe's API at this address.
    pub(crate) async fn start_with_stripe(base: &str) -> Self {
        Self::start_with(&[("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_API_BASE", base)]).await
    }

    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        trace();
        let settings =
            [&[("STRIPE_WEBHOOK_SECRET", SECRET), ("LEVQOR_STRIPE_LIVEMODE", "false")], settings].concat();
        Self { service: TestService::start(&settings).await }
    }

    pub(crate) fn client(&self) -> BillingServiceClient<Peer> {
        BillingServiceClient::new(self.service.channel())
    }

    /// Ingests a webhook as the gateway does.
    pub(crate) async fn ingest(
        &self,
        body: &[u8],
        signature: &str,
    ) -> Result<IngestStripeEventResponse, Status> {
        let request =
            IngestStripeEventRequest { body: Bytes::copy_from_slice(body), signature: signature.to_owned() };
        let request = Caller::service("gateway", "billing").request(request);
        Ok(self.client().ingest_stripe_event(request).await?.into_inner())
    }

    /// Ingests an event with a valid signature.
    pub(crate) async fn receive(&self, event: &Value) -> IngestStripeEventResponse {
        let body = event.to_string();
        let signature = sign(SECRET, Clock::default().now().timestamp(), body.as_bytes());
        self.ingest(body.as_bytes(), &signature).await.expect("journaled")
    }

    /// Ingests an event, and waits until it is settled.
    pub(crate) async fn process(&self, event: &Value) -> StripeEvent {
        let event_id = self.receive(event).await.event_id;
        self.settled(&event_id).await
    }

    /// Waits until an event is settled.
    pub(crate) async fn settled(&self, event_id: &str) -> StripeEvent {
        eventually("the event is settled", || async {
            Some(self.event(event_id).await).filter(|event| event.state() != State::Pending)
        })
        .await
    }

    pub(crate) async fn event(&self, event_id: &str) -> StripeEvent {
        self.event_and_body(event_id).await.stripe_event.expect("an event")
    }

    pub(crate) async fn event_and_body(&self, event_id: &str) -> GetStripeEventResponse {
        let request = Caller::staff().request(GetStripeEventRequest { event_id: event_id.to_owned() });
        self.client().get_stripe_event(request).await.expect("there").into_inner()
    }

    /// The orders that this caller sees.
    pub(crate) async fn orders(&self, caller: &Caller) -> Vec<Order> {
        let request = caller.request(ListOrdersRequest::default());
        self.client().list_orders(request).await.expect("a list").into_inner().orders
    }

    /// The only order.
    pub(crate) async fn order(&self) -> Order {
        let mut orders = self.orders(&Caller::staff()).await;
        assert_eq!(orders.len(), 1, "one order");
        orders.remove(0)
    }

    /// The deferred messages with their keys, sorted by key.
    pub(crate) async fn messages(&self) -> Vec<(String, SendMessageRequest)> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT idempotency_key, request FROM runtime.work WHERE rpc LIKE '%/SendMessage' ORDER BY idempotency_key",
        )
        .fetch_all(self.service.db.pool())
        .await
        .expect("deferred calls");
        let decode =
            |(key, request): (_, Vec<u8>)| (key, SendMessageRequest::decode(&*request).expect("a request"));
        rows.into_iter().map(decode).collect()
    }
}

impl Deref for Bench {
    type Target = TestService<Billing>;

    fn deref(&self) -> &TestService<Billing> {
        &self.service
    }
}

/// Enables trace context for the whole test binary, without log output.
fn trace() {
    static GUARD: OnceLock<TelemetryGuard> = OnceLock::new();
    GUARD.get_or_init(|| {
        let env = Env::from_pairs([("LEVQOR_LOG", "off")]);
        telemetry::init(&TelemetryConfig::read(&mut Reader::new(&env)).expect("a configuration"), "billing")
    });
}
