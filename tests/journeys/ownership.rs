//! Own data only: every CUSTOMER RPC is asked for something of Bob's, and Alice gets nothing of it. What is asked for comes from
//! the descriptors.

use levqor_runtime::{
    access::{self, Access},
    client::call_raw,
    context::Role,
    testing::Caller,
};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use tonic::Code;

use super::rpcs::{List, fill, methods, route};
use crate::{harness::Mesh, stripe::paid_checkout};

/// Something of Bob's, seen through one RPC.
struct Fixture {
    path: String,
    request: DynamicMessage,
    /// The list, if the RPC lists: its answer shows no row then. A single thing is not found.
    list: Option<List>,
}

impl Fixture {
    /// The newest row of Bob's that the RPC can show.
    async fn of(mesh: &Mesh, method: &access::Method) -> Self {
        let changes = "changes something: Bob needs something here that Alice tries to change";
        assert_eq!(method.repeat, access::Repeat::Safe, "{} {changes}", method.rpc);
        let (about, list) = (List::about(method), List::of(method));
        let mut request = DynamicMessage::new(method.descriptor.input());
        let path = if list.is_some() {
            let address = about.by_address().expect("a filter by the address");
            request.set_field(&address, Value::String("bob@example.com".to_owned()));
            about.path_of("bob")
        } else {
            let id = about.first_id(&mesh.staff().get(&about.path_of("bob")).await);
            request.set_field_by_name(&about.id, Value::String(id.clone()));
            fill(&route(method).expect("a route").1, &id)
        };
        Self { path, request, list }
    }
}

/// Whether an encoded answer has no rows.
fn is_empty(method: &access::Method, list: &List, answer: &[u8]) -> bool {
    let answer = DynamicMessage::decode(method.descriptor.output(), answer).expect("an answer");
    answer.get_field(&list.rows).as_list().is_some_and(<[Value]>::is_empty)
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
    for method in methods().iter().filter(customers) {
        let access::Host::Service(host) = &method.host else { panic!("{} is of one service", method.rpc) };
        fresh_order_of_bob(&mesh, method.descriptor.name()).await;
        let Fixture { path, request, list } = Fixture::of(&mesh, method).await;
        for alice in [
            Caller::customer("alice", "alice@example.com"),
            // A token that merely says Bob's address, without anybody vouching for it.
            Caller::unverified("mallory", "bob@example.com"),
        ] {
            let rest = mesh.actor(alice.clone()).get(&path).await;
            let grpc = alice.request(request.encode_to_vec().into());
            let grpc = call_raw(mesh.channel(host), method.path.clone(), grpc).await;
            match &list {
                None => {
                    assert_eq!(rest.status, 404, "{}: {}", method.rpc, rest.text);
                    assert_eq!(grpc.expect_err("not hers").code(), Code::NotFound, "{}", method.rpc);
                }
                Some(list) => {
                    assert_eq!((rest.status, rest.text.contains("bob")), (200, false), "{}", rest.text);
                    assert!(is_empty(method, list, grpc.expect("a list").get_ref()), "{}", method.rpc);
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
