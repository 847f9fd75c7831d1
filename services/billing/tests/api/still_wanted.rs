//! The guard of the flows' mails: notifications asks just before a mail goes out whether it is still wanted.

use levqor_proto_billing::v1::Order;
use levqor_proto_runtime::v1::{
    StillWantedRequest, StillWantedResponse, guard_service_client::GuardServiceClient,
};
use levqor_runtime::testing::{Caller, reason, refused};
use serde_json::json;
use tonic::Status;

use crate::{
    refund_order::at_stripe,
    support::{Bench, NO_ORDER, Shop, event, session, with},
};

const REMINDERS: &str = "INTAKE_REMINDERS";
const OFFER: &str = "UPGRADE_OFFER";

impl Bench {
    /// Asks as notifications does.
    async fn still_wanted(&self, subject: &str) -> Result<StillWantedResponse, Status> {
        let notifications = Caller::service("notifications", "billing");
        let request = StillWantedRequest { service: "billing".to_owned(), subject: subject.to_owned() };
        let mut client = GuardServiceClient::new(self.service.channel());
        Ok(client.still_wanted(notifications.request(request)).await?.into_inner())
    }

    /// Asserts why the mails of a flow are not wanted. Empty: they are.
    async fn assert_unwanted(&self, order: &Order, flow: &str, reason: &str) {
        let answer = self.still_wanted(&format!("flow:{}:{flow}", order.order_id)).await.expect("an answer");
        assert_eq!((answer.wanted, answer.reason.as_str()), (reason.is_empty(), reason), "{flow}");
    }
}

#[tokio::test]
async fn reminders_are_wanted_until_the_intake_form_is_there() {
    let bench = Bench::start().await;
    let order = bench.paid().await;
    bench.assert_unwanted(&order, REMINDERS, "").await;
    let bench = Bench::start().await;
    let order = bench.submitted().await;
    bench.assert_unwanted(&order, REMINDERS, "INTAKE_SUBMITTED").await;
    bench.assert_unwanted(&order, OFFER, "").await;
}

#[tokio::test]
async fn no_mail_about_a_refunded_order_is_wanted() {
    let (shop, order) = Shop::sold().await;
    shop.tell_refund(&at_stripe("re_1", 9900, None)).await;
    shop.bench.assert_unwanted(&order, REMINDERS, "ORDER_OVER").await;
    shop.bench.assert_unwanted(&order, OFFER, "ORDER_OVER").await;
}

#[tokio::test]
async fn an_offer_is_wanted_until_the_customer_buys_a_higher_tier() {
    let bench = Bench::start().await;
    let order = bench.paid().await;
    bench.assert_unwanted(&order, OFFER, "").await;
    let dearer =
        [("amount_total", json!(24_900)), ("metadata", json!({"mode": "dfy", "plan": "professional"}))];
    let dearer = with(session("cs_2"), &dearer);
    bench.process(&event("evt_2", "checkout.session.completed", &dearer)).await;
    bench.assert_unwanted(&order, OFFER, "UPGRADED").await;
    bench.assert_unwanted(&order, REMINDERS, "").await;
}

#[tokio::test]
async fn an_unknown_subject_is_an_error() {
    let bench = Bench::start().await;
    let order = bench.paid().await;
    let of_nobody = format!("flow:{NO_ORDER}:{REMINDERS}");
    let of_no_flow = format!("flow:{}:OTHER", order.order_id);
    for subject in [of_nobody.as_str(), &of_no_flow, "lead:1", ""] {
        let status = refused(bench.still_wanted(subject).await);
        assert_eq!(reason(&status), "GUARD_SUBJECT_UNKNOWN", "{subject}");
    }
}
