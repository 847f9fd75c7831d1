//! Tests of the service through its API: real gRPC, a real PostgreSQL, one file per RPC.

mod a_campaign;
mod add_suppression;
mod apply_permission;
mod apply_provider_event;
mod breaking_off;
mod capabilities;
mod check_recipient;
mod confirm_newsletter_subscription;
mod counterparts;
mod create_newsletter_subscription;
mod deliver_message;
mod deliver_operator_notice;
mod download_inbound_attachment;
mod end_operator_notice;
#[path = "../../../../tests/fakes/mail.rs"]
mod fake_mail;
#[path = "../../../../tests/fakes/operators.rs"]
mod fake_operators;
#[expect(dead_code, reason = "shared with the tests of the mesh, which need all of it")]
#[path = "../../../../tests/fakes/smtp.rs"]
mod fake_smtp;
mod fetch_inbound_mail;
mod get_message;
mod get_message_preview;
mod get_newsletter_confirmation;
mod get_preferences;
mod get_provider_event;
mod get_template_preview;
mod get_unsubscription;
mod ingest_resend_event;
mod list_messages;
mod list_operator_notices;
mod list_provider_events;
mod list_suppressions;
mod list_templates;
mod notify_operators;
mod permits;
mod purge_provider_event_bodies;
mod remove_suppression;
mod resend_message;
mod resolve_message;
mod send_digest;
mod send_message;
mod sweep_delivery_outcomes;
mod unsubscribe;
mod update_preferences;

use std::ops::Deref;

use levqor_notifications::Notifications;
use levqor_proto_base::r#type::v1::Money;
use levqor_proto_mail::v1::{
    OrderIntakeRequest, OrderWelcome, SendMessageRequest, SendMessageResponse,
    mail_service_client::MailServiceClient, send_message_request::Content,
};
use levqor_proto_notifications::v1::{
    DeliverMessageRequest, GetMessageRequest, GetMessageResponse, IngestResendEventRequest,
    IngestResendEventResponse, ListProviderEventsRequest, Message, ProviderEvent, message::State,
    notifications_service_client::NotificationsServiceClient, provider_event::State as EventState,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, TestService, eventually, reason, refused, violated},
};
use sqlx::Row;
use tonic::Status;

use crate::fake_mail::{
    FakeMail,
    webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook},
};
use crate::fake_smtp::FakeSmtp;

/// The service under test, with helpers for its RPCs.
struct Notified {
    service: TestService<Notifications>,
}

/// A setting that every service under test needs.
const ADDRESS_KEY: (&str, &str) = ("LEVQOR_ADDRESS_KEY", "the address key of tests, long enough to be one");

/// With these settings, advertising goes out at any hour, and as often as a test sends it.
const AT_ANY_HOUR: (&str, &str) = ("LEVQOR_MARKETING_HOURS", "0-24");
const AS_OFTEN: (&str, &str) = ("LEVQOR_MARKETING_PER_MONTH", "100");

impl Notified {
    /// Starts the service with the local mailbox.
    async fn start() -> Self {
        Self { service: TestService::start(&[ADDRESS_KEY, AT_ANY_HOUR, AS_OFTEN]).await }
    }

    /// Starts the service with this provider, and with a setting of how many hours the provider honours idempotency keys.
    async fn start_with(provider: &FakeMail, key_hours: &str) -> Self {
        let url = provider.url();
        let webhook_secrets = format!("{WEBHOOK_SECRET},{OTHER_WEBHOOK_SECRET}");
        let settings = [
            ADDRESS_KEY,
            AT_ANY_HOUR,
            AS_OFTEN,
            ("RESEND_API_KEY", fake_mail::API_KEY),
            ("RESEND_API_BASE", &url),
            ("RESEND_KEY_HOURS", key_hours),
            ("RESEND_RATE", "0"),
            ("RESEND_WEBHOOK_SECRET", &webhook_secrets),
        ];
        Self { service: TestService::start(&settings).await }
    }

    /// Starts the service with this SMTP server; with Resend before it, if there is one.
    async fn start_with_smtp(resend: Option<&FakeMail>, smtp: &FakeSmtp, settings: &[(&str, &str)]) -> Self {
        let (url, smtp_url) = (resend.map(FakeMail::url).unwrap_or_default(), smtp.url());
        let mut all =
            vec![ADDRESS_KEY, AT_ANY_HOUR, ("SMTP_URL", &smtp_url), ("SMTP_RATE", "0"), ("RESEND_RATE", "0")];
        if resend.is_some() {
            all.extend([("RESEND_API_KEY", fake_mail::API_KEY), ("RESEND_API_BASE", url.as_str())]);
        }
        all.extend(settings);
        Self { service: TestService::start(&all).await }
    }

    /// A pending message without a deferred delivery: the test delivers it. Each has an address hash of its own.
    async fn pending(&self) -> String {
        let sql = "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, class,
                                         category, requested_by, sender, subject, body_text, body_html, state, create_time)
                   SELECT gen_random_uuid(), 'order_welcome', 1, 'order:' || count(*), 'ada@example.com',
                          sha256(('order:' || count(*))::bytea), 'TRANSACTIONAL', 'ORDERS', 'billing',
                          'Levqor <orders@levqor.ai>', 'Welcome!', 'Hello Ada', '<p>Hello Ada</p>', 'PENDING',
                          runtime.now()
                   FROM messages RETURNING message_id::text";
        sqlx::query(sql).fetch_one(self.service.db.pool()).await.expect("a message").get(0)
    }

    fn client(&self) -> NotificationsServiceClient<Peer> {
        NotificationsServiceClient::new(self.service.channel())
    }

    fn mail(&self) -> MailServiceClient<Peer> {
        MailServiceClient::new(self.service.channel())
    }

    /// Sends a message as billing does, under a key.
    async fn send(&self, key: &str, request: SendMessageRequest) -> Result<SendMessageResponse, Status> {
        let billing = Caller::service("billing", "notifications").with_key(key);
        Ok(self.mail().send_message(billing.request(request)).await?.into_inner())
    }

    /// Sends a message and waits until it is delivered.
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

    /// The response of `GetMessage`.
    async fn shown(&self, id: &str) -> GetMessageResponse {
        let request = Caller::staff().request(GetMessageRequest { message_id: id.to_owned() });
        self.client().get_message(request).await.expect("there").into_inner()
    }

    /// Passes a webhook of Resend to the service, as the gateway does.
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

    /// Ingests a webhook and waits until its event has this state.
    async fn told(&self, webhook: &Webhook, state: EventState) -> ProviderEvent {
        self.ingest(webhook).await.expect("journaled");
        eventually("the event stands there", || async {
            let events = self.events().await;
            events.into_iter().find(|event| event.event_id == webhook.id && event.state() == state)
        })
        .await
    }

    /// Delivers a message, as the deferred call does.
    async fn deliver(&self, id: &str) -> Result<State, Status> {
        let request = Caller::service("notifications", "notifications")
            .request(DeliverMessageRequest { message_id: id.to_owned() });
        Ok(self.client().deliver_message(request).await?.into_inner().state())
    }

    /// The audit entries of staff actions on messages, the oldest first.
    async fn audited(&self) -> Vec<(String, String)> {
        let sql = "SELECT action, ids ->> 'message_id' FROM runtime.audit_entries
                   WHERE action LIKE 'message.%' ORDER BY sequence";
        let rows = sqlx::query(sql).fetch_all(self.service.db.pool()).await.expect("entries");
        rows.into_iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

impl Deref for Notified {
    type Target = TestService<Notifications>;

    fn deref(&self) -> &TestService<Notifications> {
        &self.service
    }
}

/// A welcome mail for this order.
fn welcome(order: &str, recipient: &str) -> SendMessageRequest {
    let content = Content::OrderWelcome(OrderWelcome {
        customer_name: "Ada Lovelace".to_owned(),
        order_id: order.to_owned(),
        tier: "Starter".to_owned(),
        amount: Some(Money { currency_code: "GBP".to_owned(), minor_units: 9_900 }),
        delivery_time: "48 hours".to_owned(),
        revisions: 1,
        intake_link: None,
    });
    SendMessageRequest {
        recipient: recipient.to_owned(),
        about: format!("order:{order}"),
        content: Some(content),
        ..Default::default()
    }
}

/// A request for the intake form of this order.
fn intake_request(order: &str, recipient: &str) -> SendMessageRequest {
    let content = Content::OrderIntakeRequest(OrderIntakeRequest {
        customer_name: "Ada Lovelace".to_owned(),
        order_id: order.to_owned(),
        tier: "Starter".to_owned(),
        intake_link: None,
    });
    SendMessageRequest {
        recipient: recipient.to_owned(),
        about: format!("order:{order}"),
        content: Some(content),
        ..Default::default()
    }
}

/// An id that no message has.
const UNKNOWN_ID: &str = "0190b2c4-0000-7000-8000-000000000000";
