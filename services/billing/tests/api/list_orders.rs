//! `ListOrders`: newest first, page by page, and customers see only their own.

use levqor_proto_billing::v1::{
    ListOrdersRequest, ListOrdersResponse, Order,
    order::{FulfilmentState, PaymentState},
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Status;

use crate::support::{Bench, event, refused, session, violated, with};

impl Bench {
    async fn list_orders(
        &self,
        caller: &Caller,
        request: ListOrdersRequest,
    ) -> Result<ListOrdersResponse, Status> {
        Ok(self.client().list_orders(caller.request(request)).await?.into_inner())
    }

    /// An order of this session and address.
    async fn buy(&self, session_id: &str, email: &str) {
        let session = with(session(session_id), &[("customer_details", json!({"email": email}))]);
        self.process(&event(&format!("evt_{session_id}"), "checkout.session.completed", &session)).await;
    }
}

fn sessions(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.stripe_checkout_session_id.as_str()).collect()
}

#[tokio::test]
async fn everybody_sees_their_own_and_staff_see_all() {
    let bench = Bench::start().await;
    for (session_id, email) in
        [("cs_1", "ada@example.com"), ("cs_2", "bob@example.com"), ("cs_3", "ADA@example.com")]
    {
        bench.buy(session_id, email).await;
    }
    let ada = Caller::customer("ada", "ada@example.com");
    assert_eq!(sessions(&bench.orders(&Caller::staff()).await), ["cs_3", "cs_2", "cs_1"]);
    assert_eq!(sessions(&bench.orders(&ada).await), ["cs_3", "cs_1"]);
    assert_eq!(sessions(&bench.orders(&Caller::customer("bob", "bob@example.com")).await), ["cs_2"]);
    for caller in [Caller::customer("eve", "eve@example.com"), Caller::unverified("eve", "bob@example.com")] {
        assert!(bench.orders(&caller).await.is_empty());
    }
    // The first access claimed both: the address alone gives no access any more.
    assert_eq!(bench.count("orders WHERE owner_sub = 'ada'").await, 2);
    assert!(bench.orders(&Caller::customer("impostor", "ada@example.com")).await.is_empty());
    assert_eq!(sessions(&bench.orders(&Caller::customer("ada", "new@example.com")).await), ["cs_3", "cs_1"]);
}

#[tokio::test]
async fn a_customers_filter_only_narrows() {
    let bench = Bench::start().await;
    bench.buy("cs_1", "ada@example.com").await;
    bench.buy("cs_2", "bob@example.com").await;
    let of = |email: &str| ListOrdersRequest { customer_email: email.to_owned(), ..Default::default() };
    let ada = Caller::customer("ada", "ada@example.com");
    assert!(bench.list_orders(&ada, of("bob@example.com")).await.expect("a list").orders.is_empty());
    assert_eq!(
        sessions(&bench.list_orders(&ada, of(" Ada@Example.com")).await.expect("a list").orders),
        ["cs_1"]
    );
    let staff = bench.list_orders(&Caller::staff(), of("bob@example.com")).await.expect("a list");
    assert_eq!(sessions(&staff.orders), ["cs_2"]);
    let session = ListOrdersRequest { stripe_checkout_session_id: "cs_2".to_owned(), ..Default::default() };
    assert!(bench.list_orders(&ada, session.clone()).await.expect("a list").orders.is_empty());
    assert_eq!(
        sessions(&bench.list_orders(&Caller::staff(), session).await.expect("a list").orders),
        ["cs_2"]
    );
}

#[tokio::test]
async fn orders_are_filtered_by_state() {
    use PaymentState::{Cancelled, Paid, Pending, Unspecified};

    let bench = Bench::start().await;
    bench.buy("cs_1", "ada@example.com").await;
    let unpaid = with(session("cs_2"), &[("payment_status", json!("unpaid"))]);
    bench.process(&event("evt_2", "checkout.session.completed", &unpaid)).await;
    for (payment_state, work, expected) in [
        (Paid, FulfilmentState::Unspecified, vec!["cs_1"]),
        (Pending, FulfilmentState::Unspecified, vec!["cs_2"]),
        (Cancelled, FulfilmentState::Unspecified, vec![]),
        (Unspecified, FulfilmentState::AwaitingIntake, vec!["cs_1"]),
        (Paid, FulfilmentState::Delivered, vec![]),
    ] {
        let request = ListOrdersRequest {
            payment_state: payment_state.into(),
            fulfilment_state: work.into(),
            ..Default::default()
        };
        let list = bench.list_orders(&Caller::staff(), request).await.expect("a list");
        assert_eq!(sessions(&list.orders), expected, "{payment_state:?} and {work:?}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let bench = Bench::start().await;
    for n in 0..5 {
        bench.buy(&format!("cs_{n}"), "ada@example.com").await;
    }
    // Orders of the same time are sorted by id.
    bench
        .execute("UPDATE orders SET create_time = '2026-01-01' WHERE stripe_checkout_session_id < 'cs_4'")
        .await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let request = ListOrdersRequest { page_size: 2, page_token, ..Default::default() };
        let page =
            bench.list_orders(&Caller::customer("ada", "ada@example.com"), request).await.expect("a page");
        assert_eq!(page.orders.len(), expected);
        seen.extend(page.orders);
        page_token = page.next_page_token;
    }
    assert_eq!(page_token, "");
    assert_eq!(sessions(&seen), ["cs_4", "cs_3", "cs_2", "cs_1", "cs_0"]);
}

#[tokio::test]
async fn a_list_never_fails_for_one_row() {
    let bench = Bench::start().await;
    for n in 0..5 {
        bench.buy(&format!("cs_{n}"), "ada@example.com").await;
    }
    // No version of ours stores such rows. They imitate rows of a newer version that an older one cannot read.
    bench
        .execute(
            "ALTER TABLE orders DROP CONSTRAINT orders_amount_showable;
             UPDATE orders SET amount_minor = 9007199254740992 WHERE stripe_checkout_session_id = 'cs_2';
             UPDATE orders SET customer_email = 'nobody' WHERE stripe_checkout_session_id = 'cs_3'",
        )
        .await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    for expected in [1, 1, 1] {
        let request = ListOrdersRequest { page_size: 2, page_token, ..Default::default() };
        let page = bench.list_orders(&Caller::staff(), request).await.expect("a page");
        assert_eq!(page.orders.len(), expected);
        seen.extend(page.orders);
        page_token = page.next_page_token;
    }
    assert_eq!((sessions(&seen), page_token.as_str()), (vec!["cs_4", "cs_1", "cs_0"], ""));
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named_at_once() {
    let bench = Bench::start().await;
    let request = ListOrdersRequest {
        payment_state: 99,
        fulfilment_state: 99,
        customer_email: "nobody".to_owned(),
        stripe_checkout_session_id: "cs\u{1}".to_owned(),
        page_size: -1,
        page_token: "nonsense".to_owned(),
        owner_sub: "s".repeat(256),
    };
    let status = refused(bench.list_orders(&Caller::staff(), request).await);
    let fields = [
        "owner_sub",
        "payment_state",
        "fulfilment_state",
        "customer_email",
        "stripe_checkout_session_id",
        "page_size",
        "page_token",
    ];
    assert_eq!(violated(&status), fields);
}
