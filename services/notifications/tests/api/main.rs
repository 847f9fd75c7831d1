//! The service as its callers see it: real gRPC, a real PostgreSQL, one file per RPC.

mod apply_provider_event;
mod capabilities;
mod deliver_message;
#[path = "../../../../tests/fakes/mail.rs"]
mod fake_mail;
mod get_message;
mod get_message_preview;
mod get_provider_event;
mod ingest_resend_event;
mod list_messages;
mod list_provider_events;
mod purge_provider_event_bodies;
mod resend_message;
mod resolve_message;
mod send_message;

use levqor_notifications::Notifications;
use levqor_proto_base::r#type::v1::Money;
use levqor_proto_notifications::v1::{
    DeliverMessageRequest, GetMessageRequest, GetMessageResponse, IngestResendEventRequest,
    IngestResendEventResponse, ListProviderEventsRequest, Message, OrderIntakeRequest, OrderWelcome,
    ProviderEvent, SendMessageRequest, SendMessageResponse, message::State,
    notifications_service_client::NotificationsServiceClient, provider_event::State as EventState,
    send_message_request::Content,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, TestService, eventually},
};
use sqlx::{AssertSqlSafe, Row};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fake_mail::{
    FakeMail,
    webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook},
};

/// The service under test, with the words that the tests speak.
struct Notified {
    service: TestService<Notifications>,
}

/// A setting that every service under test needs.
const ADDRESS_KEY: (&str, &str) = ("LEVQOR_ADDRESS_KEY", "the address key of tests, long enough to be one");

impl Notified {
    /// With the local mailbox.
    async fn start() -> Self {
        Self { service: TestService::start(&[ADDRESS_KEY]).await }
    }

    /// With this provider, said to honour idempotency keys for so many hours.
    async fn start_with(provider: &FakeMail, key_hours: &str) -> Self {
        let url = provider.url();
        let webhook_secrets = format!("{WEBHOOK_SECRET},{OTHER_WEBHOOK_SECRET}");
        let settings = [
            ADDRESS_KEY,
            ("RESEND_API_KEY", fake_mail::API_KEY),
            ("RESEND_API_BASE", &url),
            ("RESEND_KEY_HOURS", key_hours),
            ("RESEND_WEBHOOK_SECRET", &webhook_secrets),
        ];
        Self { service: TestService::start(&settings).await }
    }

    /// A pending message that nobody was told to deliver: the test does.
    async fn pending(&self) -> String {
        let sql = "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, sender,
                                         subject, body_text, body_html, state, create_time)
                   SELECT gen_random_uuid(), 'order_welcome', 1, 'order:' || count(*), 'ada@example.com',
                          decode(repeat('00', 32), 'hex'), 'Levqor <orders@levqor.ai>', 'Welcome!', 'Hello Ada',
                          '<p>Hello Ada</p>', 'PENDING', runtime.now()
                   FROM messages RETURNING message_id::text";
        sqlx::query(sql).fetch_one(self.service.db.pool()).await.expect("a message").get(0)
    }

    fn client(&self) -> NotificationsServiceClient<Peer> {
        NotificationsServiceClient::new(self.service.channel())
    }

    /// Asks for a message, as billing does, under a key.
    async fn send(&self, key: &str, request: SendMessageRequest) -> Result<SendMessageResponse, Status> {
        let billing = Caller::service("billing", "notifications").with_key(key);
        Ok(self.client().send_message(billing.request(request)).await?.into_inner())
    }

    /// Asks for a message, and waits until it is delivered.
    async fn sent(&self, key: &str, request: SendMessageRequest) -> Message {
        let id = self.send(key, request).await.expect("stored").message_id;
        eventually("the message is sent", || async {
            let message = self.message(&id).await;
            (message.state() == State::Sent).then_some(message)
        })
        .await
    }

    async fn message(&self, id: &str) -> Message {
        self.shown(id).await.message.expect("a message")
    }

    /// All that staff see of a message.
    async fn shown(&self, id: &str) -> GetMessageResponse {
        let request = Caller::staff().request(GetMessageRequest { message_id: id.to_owned() });
        self.client().get_message(request).await.expect("there").into_inner()
    }

    /// Passes a webhook of Resend's on, as the gateway does.
    async fn ingest(&self, webhook: &Webhook) -> Result<IngestResendEventResponse, Status> {
        let Webhook { id, timestamp, signature, body } = webhook.clone();
        let request = IngestResendEventRequest {
            body: body.into(),
            svix_id: id,
            svix_timestamp: timestamp,
            svix_signature: signature,
        };
        let gateway = Caller::service("gateway", "notifications");
        Ok(self.client().ingest_resend_event(gateway.request(request)).await?.into_inner())
    }

    /// The journaled events, newest first.
    async fn events(&self) -> Vec<ProviderEvent> {
        let request = Caller::staff().request(ListProviderEventsRequest::default());
        self.client().list_provider_events(request).await.expect("a list").into_inner().provider_events
    }

    /// Takes a webhook, and waits until it stands where it is expected to.
    async fn told(&self, webhook: &Webhook, state: EventState) -> ProviderEvent {
        self.ingest(webhook).await.expect("journaled");
        eventually("the event stands there", || async {
            let events = self.events().await;
            events.into_iter().find(|event| event.event_id == webhook.id && event.state() == state)
        })
        .await
    }

    /// Delivers a message, as this service defers it to itself.
    async fn deliver(&self, id: &str) -> Result<State, Status> {
        let request = Caller::service("notifications", "notifications")
            .request(DeliverMessageRequest { message_id: id.to_owned() });
        Ok(self.client().deliver_message(request).await?.into_inner().state())
    }

    /// What staff did to which messages, the oldest first.
    async fn audited(&self) -> Vec<(String, String)> {
        let sql = "SELECT action, ids ->> 'message_id' FROM runtime.audit_entries
                   WHERE action LIKE 'message.%' ORDER BY sequence";
        let rows = sqlx::query(sql).fetch_all(self.service.db.pool()).await.expect("entries");
        rows.into_iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query(sql).fetch_one(self.service.db.pool()).await.expect("counted").get(0)
    }

    /// Does to the tables what no RPC does: damage, or the past.
    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.service.db.pool()).await.expect("executed");
    }
}

/// A welcome about this order.
fn welcome(order: &str, recipient: &str) -> SendMessageRequest {
    let content = Content::OrderWelcome(OrderWelcome {
        customer_name: "Ada Lovelace".to_owned(),
        order_id: order.to_owned(),
        tier: "Starter".to_owned(),
        amount: Some(Money { currency_code: "GBP".to_owned(), minor_units: 9_900 }),
        delivery_time: "48 hours".to_owned(),
        revisions: 1,
    });
    SendMessageRequest {
        recipient: recipient.to_owned(),
        about: format!("order:{order}"),
        content: Some(content),
    }
}

/// A request for the intake form of this order.
fn intake_request(order: &str, recipient: &str) -> SendMessageRequest {
    let content = Content::OrderIntakeRequest(OrderIntakeRequest {
        customer_name: "Ada Lovelace".to_owned(),
        order_id: order.to_owned(),
        tier: "Starter".to_owned(),
    });
    SendMessageRequest {
        recipient: recipient.to_owned(),
        about: format!("order:{order}"),
        content: Some(content),
    }
}

/// An id that no message has.
const UNKNOWN_ID: &str = "0190b2c4-0000-7000-8000-000000000000";

/// The status of a call that is refused.
fn refused<T>(answer: Result<T, Status>) -> Status {
    answer.err().unwrap_or_else(|| panic!("the call is refused"))
}

/// The fields that a status complains about.
fn violated(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_error_details().bad_request().cloned().expect("violations");
    bad_request.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// The reason that a status gives.
fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// Calls as everybody there is: those who are named may, all others are refused with the right code.
async fn assert_access(allowed: &[&str], call: impl AsyncFn(Caller) -> Result<(), Status>) {
    let to_us = |from| Caller::service(from, "notifications");
    for (name, caller, refusal) in [
        ("anonymous", Caller::anonymous(), Code::Unauthenticated),
        ("customer", Caller::customer("ada", "ada@example.com"), Code::PermissionDenied),
        ("staff", Caller::staff(), Code::PermissionDenied),
        ("admin", Caller::admin(), Code::PermissionDenied),
        ("billing", to_us("billing"), Code::PermissionDenied),
        ("compliance", to_us("compliance"), Code::PermissionDenied),
        ("support", to_us("support"), Code::PermissionDenied),
        ("gateway", to_us("gateway"), Code::PermissionDenied),
        ("self", to_us("notifications"), Code::PermissionDenied),
        ("a token for another service", Caller::service("billing", "compliance"), Code::Unauthenticated),
    ] {
        let outcome = call(caller).await.map_err(|status| status.code());
        let expected = if allowed.contains(&name) { Ok(()) } else { Err(refusal) };
        assert_eq!(outcome, expected, "{name}");
    }
}
