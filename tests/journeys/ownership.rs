//! A customer gets only their own data: Alice calls every CUSTOMER RPC for data of Bob, and gets none of it. The RPCs and their
//! fields come from the descriptors.

use levqor_runtime::{
    access::{self, Access},
    client::call_raw,
    context::Role,
    testing::{self, Caller},
};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use serde_json::Value as Json;
use tonic::Code;

use super::{
    fixtures::{self, Fixture},
    rpcs::{List, file_of, fill, methods, route},
};
use crate::{harness::Mesh, stripe::paid_checkout};

/// A call of one RPC for data of Bob.
struct Call {
    verb: reqwest::Method,
    path: String,
    body: Option<Json>,
    request: DynamicMessage,
    /// The list, if the RPC lists: its answer shows no row then. A single thing is not found.
    list: Option<List>,
}

impl Call {
    /// For the newest row of Bob's that the RPC can show or change.
    async fn of(mesh: &Mesh, method: &access::Method) -> Self {
        let (about, list) = (List::about(method), List::of(method));
        let (verb, template) = route(method).expect("a route");
        if list.is_some() {
            let address = about.by_address().expect("a filter by the address");
            let mut request = DynamicMessage::new(method.descriptor.input());
            request.set_field(&address, Value::String("bob@example.com".to_owned()));
            return Self { verb, path: about.path_of("bob"), body: None, request, list };
        }
        let fixture = Fixture::read(&fixtures::file(method));
        let fields = Json::Object(fixture.fields.clone());
        let request = DynamicMessage::deserialize(method.descriptor.input(), fields.clone());
        let mut request = request.unwrap_or_else(|error| panic!("{}: {error}", fixtures::file(method)));
        let id = about.first_id(&mesh.staff().get(&about.path_of("bob")).await);
        request.set_field_by_name(&about.id, Value::String(id.clone()));
        let file = if template.contains("{file_id}") {
            file_of(mesh, "bob", &template, &id).await
        } else {
            String::new()
        };
        request.try_set_field_by_name("file_id", Value::String(file.clone())).ok();
        let path = fill(&template.replace("{file_id}", &file), &id);
        let (path, body) = if ["GET", "DELETE"].contains(&verb.as_str()) {
            (path + &fixture.query(), None)
        } else {
            (path, Some(fields))
        };
        Self { verb, path, body, request, list }
    }
}

/// Whether an encoded answer has no rows.
fn is_empty(method: &access::Method, list: &List, answer: &[u8]) -> bool {
    let answer = DynamicMessage::decode(method.descriptor.output(), answer).expect("an answer");
    answer.get_field(&list.rows).as_list().is_some_and(<[Value]>::is_empty)
}

/// An order that Bob paid and that has no owner yet: the first access claims it.
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
    // A request without an id is about the caller's own data.
    let names_something = |method: &access::Method| {
        List::of(method).is_some() || route(method).is_some_and(|(_, path)| path.contains('{'))
    };
    let customers = |method: &&access::Method| {
        method.access == Access::AtLeast(Role::Customer) && names_something(method)
    };
    for method in methods().iter().filter(customers) {
        let access::Host::Service(host) = &method.host else { panic!("{} is of one service", method.rpc) };
        let fixture = Fixture::read(&List::about(method).file);
        if fixture.rows.is_empty() {
            // The RPC is about orders.
            fresh_order_of_bob(&mesh, method.descriptor.name()).await;
        } else {
            // A person makes one request a day: those that are there are of another day.
            testing::execute(
                mesh.compliance_db(),
                "UPDATE data_requests SET create_time = create_time - interval '2 days'",
            )
            .await;
            fixture.make_row(&mesh, "bob", "").await;
        }
        let Call { verb, path, body, request, list } = Call::of(&mesh, method).await;
        let call = async |caller: Caller| mesh.actor(caller).call(verb.clone(), &path, body.clone()).await;
        for alice in [
            Caller::customer("alice", "alice@example.com"),
            // A token with Bob's address, which the identity provider has not verified.
            Caller::unverified("mallory", "bob@example.com"),
        ] {
            let rest = call(alice.clone()).await;
            let grpc = alice.request(request.encode_to_vec().into());
            let grpc = call_raw(mesh.channel(host), method.path.clone(), grpc).await;
            match &list {
                None => {
                    let hint = format!("if it needs more fields, give {} `fields`", fixtures::file(method));
                    assert_eq!(rest.status, 404, "{}: {hint}: {}", method.rpc, rest.text);
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
            let answer = call(sees).await;
            if method.repeat == access::Repeat::Safe {
                let mut ids = path.split('/').filter(|part| part.len() == 36);
                // An RPC that is not a list may show a part of the object without its id: then the status is enough.
                let listed = list.as_ref().is_none_or(|list| !answer.list(list.rows.name()).is_empty());
                let shown = listed
                    || ids.any(|id| answer.text.contains(id))
                    || answer.text.contains("bob@example.com");
                let hint = List::about(method).needs_rows();
                assert!(answer.status == 200 && shown, "{}: {answer:?}; perhaps {hint}", method.rpc);
            } else {
                // The order is found, even if its state does not allow the step.
                assert!([200, 400, 422].contains(&answer.status), "{}: {}", method.rpc, answer.text);
                break;
            }
        }
    }
    mesh.finish().await;
}

#[tokio::test]
async fn the_first_access_claims_an_order_permanently() {
    let mesh = Mesh::start().await;
    let order_id = fresh_order_of_bob(&mesh, "claimed").await;
    let path = format!("/v1/orders/{order_id}");
    assert_eq!(mesh.customer("bob").get(&path).await.status, 200);
    // Another account with the same verified address is too late.
    let second = Caller::customer("bob-again", "bob@example.com");
    assert_eq!(mesh.actor(second).get(&path).await.status, 404);
    // Bob keeps the order if his address changes.
    let moved = Caller::customer("bob", "bob@elsewhere.example");
    assert_eq!(mesh.actor(moved).get(&path).await.status, 200);
    mesh.finish().await;
}
