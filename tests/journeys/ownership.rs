//! Own data only: every CUSTOMER RPC has something that belongs to Bob, and Alice gets nothing of it. An RPC without
//! such a fixture fails here.

use levqor_proto::billing::v1::{GetOrderRequest, ListOrdersRequest, ListOrdersResponse};
use levqor_runtime::{
    access::{self, Access},
    client::call_raw,
    context::Role,
    testing::Caller,
};
use prost::Message;
use tonic::Code;

use crate::{harness::Mesh, stripe::paid_checkout};

/// Something of Bob's, seen through one RPC.
struct Fixture {
    path: String,
    request: Vec<u8>,
    /// Whether an encoded answer shows nothing; lists do that, single things are not found.
    is_empty: Option<fn(&[u8]) -> bool>,
}

fn fixture(rpc: &str, order_id: &str) -> Option<Fixture> {
    match rpc {
        "levqor.billing.v1.BillingService/GetOrder" => Some(Fixture {
            path: format!("/v1/orders/{order_id}"),
            request: GetOrderRequest { order_id: order_id.to_owned() }.encode_to_vec(),
            is_empty: None,
        }),
        "levqor.billing.v1.BillingService/ListOrders" => Some(Fixture {
            path: "/v1/orders?customer_email=bob@example.com".to_owned(),
            request: ListOrdersRequest { customer_email: "bob@example.com".to_owned(), ..Default::default() }
                .encode_to_vec(),
            is_empty: Some(|answer| ListOrdersResponse::decode(answer).expect("answer").orders.is_empty()),
        }),
        _ => None,
    }
}

/// An order that Bob paid for and nobody has looked at: the first access claims it.
async fn fresh_order_of_bob(mesh: &Mesh, name: &str) -> String {
    mesh.deliver(&paid_checkout(name, "bob")).await;
    mesh.settle().await;
    let path = format!("/v1/orders?stripe_checkout_session_id=cs_test_{name}");
    let order_id = mesh.staff().get(&path).await.str("/orders/0/order_id").to_owned();
    assert!(!order_id.is_empty(), "there is no order {name}");
    order_id
}

#[tokio::test]
async fn another_customers_data_is_not_found_by_rest_or_grpc() {
    let mesh = Mesh::start().await;
    let customers = |method: &&access::Method| method.access == Access::AtLeast(Role::Customer);
    for method in levqor_gateway::methods().iter().filter(customers) {
        let order_id = fresh_order_of_bob(&mesh, method.descriptor.name()).await;
        let Fixture { path, request, is_empty } = fixture(&method.rpc, &order_id)
            .unwrap_or_else(|| panic!("{} has no fixture of Bob's", method.rpc));
        for alice in [
            Caller::customer("alice", "alice@example.com"),
            // A token that merely says Bob's address, without anybody vouching for it.
            Caller::unverified("mallory", "bob@example.com"),
        ] {
            let rest = mesh.actor(alice.clone()).get(&path).await;
            let grpc = alice.request(request.clone().into());
            let grpc = call_raw(mesh.channel("billing"), method.path.clone(), grpc).await;
            match is_empty {
                None => {
                    assert_eq!(rest.status, 404, "{}: {}", method.rpc, rest.text);
                    assert_eq!(grpc.expect_err("not hers").code(), Code::NotFound, "{}", method.rpc);
                }
                Some(is_empty) => {
                    assert_eq!((rest.status, rest.text.contains("bob")), (200, false), "{}", rest.text);
                    assert!(is_empty(grpc.expect("a list").get_ref()), "{}", method.rpc);
                }
            }
        }
        // The fixture is good: Bob and staff see it.
        for sees in [Caller::customer("bob", "bob@example.com"), Caller::staff()] {
            let answer = mesh.actor(sees).get(&path).await;
            assert!(answer.text.contains("bob@example.com"), "{}: {}", method.rpc, answer.text);
        }
    }
    mesh.finish().await;
}

#[tokio::test]
async fn the_first_access_claims_an_order_for_good() {
    let mesh = Mesh::start().await;
    let order_id = fresh_order_of_bob(&mesh, "claimed").await;
    let path = format!("/v1/orders/{order_id}");
    assert_eq!(mesh.customer("bob").get(&path).await.status, 200);
    // Another account with the same verified address comes too late.
    let second = Caller::customer("bob-again", "bob@example.com");
    assert_eq!(mesh.actor(second).get(&path).await.status, 404);
    // Bob keeps it, whatever becomes of his address.
    let moved = Caller::customer("bob", "bob@elsewhere.example");
    assert_eq!(mesh.actor(moved).get(&path).await.status, 200);
    mesh.finish().await;
}
