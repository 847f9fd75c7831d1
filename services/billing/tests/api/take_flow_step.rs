//! `TakeFlowStep`: reminders are sent at their times until the intake form arrives; after the last one operators get a notice. Offers are
//! sent only if a promotion code is set.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    TakeFlowStepRequest, TakeFlowStepResponse, order_service_client::OrderServiceClient,
};
use levqor_proto_mail::v1::{
    Category, CheckRecipientRequest, CheckRecipientResponse, SendMessageRequest, SendMessageResponse,
    mail_service_server::{MailService, MailServiceServer},
    send_message_request::Content,
};
use levqor_runtime::testing::{Caller, spawn};
use serde_json::json;
use sqlx::Row;
use tonic::{Request, Response, Status, transport::Server};

use crate::support::{Bench, ada, event, reason, refused, session, with};

const COMPLETED: &str = "checkout.session.completed";

impl Bench {
    /// Takes a step of the first order's flow, as the deferred call does.
    async fn take(&self, flow: &str, step: i32) -> TakeFlowStepResponse {
        self.try_to_take(flow, step).await.expect("taken")
    }

    async fn try_to_take(&self, flow: &str, step: i32) -> Result<TakeFlowStepResponse, Status> {
        let order_id: String = sqlx::query("SELECT order_id::text FROM orders ORDER BY create_time LIMIT 1")
            .fetch_one(self.service.db.pool())
            .await
            .expect("an order")
            .get(0);
        let request = TakeFlowStepRequest { order_id, flow: flow.to_owned(), step };
        let own = Caller::service("billing", "billing").with_key(&format!("{flow}{step}"));
        let mut client = OrderServiceClient::new(self.service.channel());
        Ok(client.take_flow_step(own.request(request)).await?.into_inner())
    }

    async fn mails(&self, like: &str) -> i64 {
        let call = format!("runtime.work WHERE rpc LIKE '%/SendMessage' AND idempotency_key LIKE '{like}'");
        self.count(&call).await
    }
}

#[tokio::test]
async fn a_paid_order_begins_its_flows_and_reminds_until_operators_get_a_notice() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    let waiting = "order_flows WHERE next_step = 1 AND next_time = begin_time + interval '24 hours'";
    assert_eq!(bench.count(&format!("{waiting} AND flow = 'INTAKE_REMINDERS'")).await, 1);
    for step in 1..=3 {
        assert_eq!(bench.take("INTAKE_REMINDERS", step).await.end_reason, "", "{step}");
        assert_eq!(bench.mails("flow-mail:%:INTAKE_REMINDERS:%").await, i64::from(step));
        // The same step again changes nothing.
        bench.take("INTAKE_REMINDERS", step).await;
        assert_eq!(bench.mails("flow-mail:%:INTAKE_REMINDERS:%").await, i64::from(step));
    }
    let links: Vec<_> = bench.messages().await.into_iter().filter_map(reminder_link).collect();
    assert_eq!(links.len(), 3, "somebody without an account needs a link");
    for link in links {
        let token = link.rsplit_once("/order?link=").expect("a token").1;
        assert!(bench.linked(token).await.is_ok());
    }
    assert_eq!(bench.take("INTAKE_REMINDERS", 4).await.end_reason, "DONE");
    let told = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE '%INTAKE_MISSING%'";
    assert_eq!(bench.count(told).await, 1);
}

/// The link in a reminder, if the message is one and has a link.
fn reminder_link((_, message): (String, SendMessageRequest)) -> Option<String> {
    match message.content {
        Some(Content::OrderIntakeReminder(reminder)) => reminder.intake_link,
        _ => None,
    }
}

#[tokio::test]
async fn a_customer_with_an_account_is_reminded_without_a_link() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    assert_eq!(bench.orders(&ada()).await.len(), 1, "reading the order claims it");
    assert_eq!(bench.take("INTAKE_REMINDERS", 1).await.end_reason, "");
    assert_eq!(bench.mails("flow-mail:%:INTAKE_REMINDERS:%").await, 1);
    assert!(bench.messages().await.into_iter().find_map(reminder_link).is_none());
}

#[tokio::test]
async fn the_reminders_end_when_the_intake_form_is_there() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    let submitted = "UPDATE orders SET fulfilment_state = 'INTAKE_SUBMITTED', submit_time = runtime.now(),
                     due_time = runtime.now() + interval '2 days'";
    bench.execute(submitted).await;
    assert_eq!(bench.take("INTAKE_REMINDERS", 1).await.end_reason, "INTAKE_SUBMITTED");
    assert_eq!(bench.mails("flow-mail:%").await, 0);
    bench.service.advance(TimeDelta::days(9)).await;
    assert_eq!(bench.take("INTAKE_REMINDERS", 2).await.end_reason, "INTAKE_SUBMITTED");
}

#[tokio::test]
async fn nothing_is_offered_without_a_promotion_code() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    assert_eq!(bench.take("UPGRADE_OFFER", 1).await.end_reason, "NO_OFFER");
    assert_eq!(bench.mails("flow-mail:%").await, 0);
}

const ALLOWED: u8 = 0;
const OBJECTED: u8 = 1;
const DOWN: u8 = 2;

/// Notifications, which knows whether the customer may get offers. It takes no mail.
#[derive(Clone, Default)]
struct Notifications(Arc<AtomicU8>);

#[tonic::async_trait]
impl MailService for Notifications {
    async fn send_message(
        &self,
        _: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        Err(Status::unavailable("not in this test"))
    }

    async fn check_recipient(
        &self,
        request: Request<CheckRecipientRequest>,
    ) -> Result<Response<CheckRecipientResponse>, Status> {
        assert!(request.metadata().get("authorization").is_some(), "the caller says who it is");
        assert_eq!(request.into_inner().category(), Category::OffersPromotions);
        let (allowed, reason) = match self.0.load(Ordering::SeqCst) {
            ALLOWED => (true, ""),
            OBJECTED => (false, "OBJECTION"),
            _ => return Err(Status::unavailable("down")),
        };
        Ok(Response::new(CheckRecipientResponse { allowed, reason: reason.to_owned() }))
    }
}

/// Billing with a promotion code and these notifications.
async fn start_with_offer(notifications: &Notifications) -> Bench {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = Server::builder().add_service(MailServiceServer::new(notifications.clone()));
    drop(spawn(async move { server.serve_with_incoming(incoming).await.expect("it serves") }));
    let settings =
        [("LEVQOR_UPSELL_PROMOTION_CODE", "STARTER"), ("LEVQOR_NOTIFICATIONS_ADDR", address.as_str())];
    Bench::start_with(&settings).await
}

#[tokio::test]
async fn an_offer_ends_when_the_customer_unsubscribes_or_objects() {
    let notifications = Notifications::default();
    let bench = start_with_offer(&notifications).await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    assert_eq!(bench.take("UPGRADE_OFFER", 1).await.end_reason, "");
    assert_eq!(bench.mails("flow-mail:%:UPGRADE_OFFER:%").await, 1);
    notifications.0.store(OBJECTED, Ordering::SeqCst);
    assert_eq!(bench.take("UPGRADE_OFFER", 2).await.end_reason, "NO_ADVERTISING");
    assert_eq!(bench.mails("flow-mail:%:UPGRADE_OFFER:%").await, 1);
    let ended = "order_flows WHERE flow = 'UPGRADE_OFFER' AND end_time IS NOT NULL AND next_time IS NULL";
    assert_eq!(bench.count(ended).await, 1);
    // Reminders about a purchase are not advertising: they need no permission.
    notifications.0.store(DOWN, Ordering::SeqCst);
    assert_eq!(bench.take("INTAKE_REMINDERS", 1).await.end_reason, "");
}

#[tokio::test]
async fn a_step_waits_until_notifications_says_whether_the_customer_may_get_offers() {
    let notifications = Notifications::default();
    let bench = start_with_offer(&notifications).await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    notifications.0.store(DOWN, Ordering::SeqCst);
    let status = refused(bench.try_to_take("UPGRADE_OFFER", 1).await);
    assert_eq!(reason(&status), "NOTIFICATIONS_UNAVAILABLE");
    assert_eq!(bench.mails("flow-mail:%").await, 0);
    notifications.0.store(ALLOWED, Ordering::SeqCst);
    assert_eq!(bench.take("UPGRADE_OFFER", 1).await.end_reason, "");
    assert_eq!(bench.mails("flow-mail:%").await, 1);
}

#[tokio::test]
async fn an_offer_ends_when_the_customer_buys_a_higher_tier() {
    let bench = start_with_offer(&Notifications::default()).await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    let dearer =
        [("amount_total", json!(24_900)), ("metadata", json!({"mode": "dfy", "plan": "professional"}))];
    bench.process(&event("evt_2", COMPLETED, &with(session("cs_2"), &dearer))).await;
    assert_eq!(bench.take("UPGRADE_OFFER", 1).await.end_reason, "UPGRADED");
    assert_eq!(bench.mails("flow-mail:%:UPGRADE_OFFER:%").await, 0);
}

/// An order that was accepted a moment ago.
async fn accepted() -> Bench {
    let bench = start_with_offer(&Notifications::default()).await;
    let order = bench.delivered().await;
    bench.accept(&ada(), &order.order_id).await.expect("accepted");
    let waiting = "order_flows WHERE flow = 'NEXT_STEPS' AND next_time = begin_time + interval '7 days'";
    assert_eq!(bench.count(waiting).await, 1);
    bench
}

#[tokio::test]
async fn a_customer_who_accepted_an_order_is_asked_once_how_the_automation_works() {
    let bench = accepted().await;
    assert_eq!(bench.take("NEXT_STEPS", 1).await.end_reason, "DONE");
    let mails = bench.messages().await.into_iter().map(|(_, mail)| mail.content);
    assert_eq!(mails.filter(|content| matches!(content, Some(Content::OrderNextSteps(_)))).count(), 1);
}

#[tokio::test]
async fn a_finished_order_sends_no_reminder() {
    let bench = accepted().await;
    bench.execute("UPDATE orders SET fulfilment_state = 'ENDED'").await;
    assert_eq!(bench.take("NEXT_STEPS", 1).await.end_reason, "ORDER_OVER");
    assert_eq!(bench.mails("flow-mail:%:NEXT_STEPS:%").await, 0);
}

/// Asserts that the offer ends, and that the reminders go on, after this statement.
async fn assert_offer_ends(sql: &str) {
    let bench = start_with_offer(&Notifications::default()).await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    bench.execute(sql).await;
    assert_eq!(bench.take("UPGRADE_OFFER", 1).await.end_reason, "NO_ADVERTISING");
    assert_eq!(bench.mails("flow-mail:%:UPGRADE_OFFER:%").await, 0);
    // Reminders about a purchase continue.
    assert_eq!(bench.take("INTAKE_REMINDERS", 1).await.end_reason, "");
}

#[tokio::test]
async fn an_offer_ends_when_the_customer_objects_to_automation() {
    assert_offer_ends(
        "INSERT INTO runtime.objections (objection_id, email, scope, stands, change_time)
         SELECT gen_random_uuid(), customer_email, 'AUTOMATION', true, runtime.now() FROM orders",
    )
    .await;
}

#[tokio::test]
async fn an_offer_ends_when_the_customers_data_is_restricted() {
    assert_offer_ends(
        "INSERT INTO runtime.holds (hold_row_id, hold_id, kind, email, stands, change_time)
         SELECT gen_random_uuid(), gen_random_uuid(), 'RESTRICTION', customer_email, true, runtime.now() FROM orders",
    )
    .await;
}
