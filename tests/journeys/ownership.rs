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
use tonic::Code;

use super::rpcs::{List, file_of, fill, methods, route};
use crate::{harness::Mesh, stripe::paid_checkout};

/// Data of Bob that one RPC can show or change.
struct Fixture {
    verb: reqwest::Method,
    path: String,
    body: Option<serde_json::Value>,
    request: DynamicMessage,
    /// The list, if the RPC lists: its answer shows no row then. A single thing is not found.
    list: Option<List>,
}

impl Fixture {
    /// The newest row of Bob's that the RPC can show or change.
    async fn of(mesh: &Mesh, method: &access::Method) -> Self {
        let (about, list) = (List::about(method), List::of(method));
        let mut request = DynamicMessage::new(method.descriptor.input());
        let (verb, template) = route(method).expect("a route");
        if list.is_some() {
            let address = about.by_address().expect("a filter by the address");
            request.set_field(&address, Value::String("bob@example.com".to_owned()));
            return Self { verb, path: about.path_of("bob"), body: None, request, list };
        }
        let id = about.first_id(&mesh.staff().get(&about.path_of("bob")).await);
        request.set_field_by_name(&about.id, Value::String(id.clone()));
        let file = if template.contains("{file_id}") {
            file_of(mesh, "bob", &template, &id).await
        } else {
            String::new()
        };
        request.try_set_field_by_name("file_id", Value::String(file.clone())).ok();
        let mut is_there =
            |field: &&str| request.try_set_field_by_name(field, Value::String("a note".to_owned())).is_ok();
        let with_text = ["note", "text"].into_iter().find(&mut is_there);
        let body = match (verb.as_str(), with_text) {
            ("GET" | "DELETE", _) => None,
            (_, Some(field)) => Some(serde_json::json!({field: "a note"})),
            (_, None) => Some(serde_json::json!({})),
        };
        let path = fill(&template.replace("{file_id}", &file), &id);
        Self { verb, path, body, request, list }
    }
}

/// Whether an encoded answer has no rows.
fn is_empty(method: &access::Method, list: &List, answer: &[u8]) -> bool {
    let answer = DynamicMessage::decode(method.descriptor.output(), answer).expect("an answer");
    answer.get_field(&list.rows).as_list().is_some_and(<[Value]>::is_empty)
}

/// An order that Bob paid for and that nobody has claimed yet: the first access claims it.
async fn fresh_order_of_bob(mesh: &Mesh, name: &str) -> String {
    mesh.deliver(&paid_checkout(name, "bob")).await;
    mesh.settle().await;
    let path = format!("/v1/orders?stripe_checkout_session_id=cs_test_{name}");
    let order_id = mesh.staff().get(&path).await.str("/orders/0/order_id").to_owned();
    assert!(!order_id.is_empty(), "there is no order {name}");
    order_id
}

/// What makes a new row of a list, if a customer posts it there. `None`: the list is about orders.
fn posted_to(list: &str) -> Option<serde_json::Value> {
    let body = match list {
        "/v1/tickets" => serde_json::json!({"subject": "Help", "text": "It does not work."}),
        "/v1/data-requests" => serde_json::json!({"right": "RIGHT_ERASURE"}),
        "/v1/privacy-complaints" => serde_json::json!({"text": "You sent my details to somebody else."}),
        "/v1/consents" => {
            serde_json::json!({"choices": [{"purpose": "CONSENT_PURPOSE_COOKIES_ANALYTICS", "given": true}]})
        }
        "/v1/acceptances" => serde_json::json!({"kind": "LEGAL_DOCUMENT_KIND_TERMS", "version": "1"}),
        "/v1/objections" => serde_json::json!({"scope": "OBJECTION_SCOPE_ANALYTICS", "objects": true}),
        _ => return None,
    };
    Some(body)
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
        let list = List::about(method).path;
        if let Some(body) = posted_to(&list) {
            // A person makes one request a day: those that are there are of another day.
            testing::execute(
                mesh.compliance_db(),
                "UPDATE data_requests SET create_time = create_time - interval '2 days'",
            )
            .await;
            let made = mesh.customer("bob").post(&list, body).await;
            assert_eq!(made.status, 200, "{list}: {}", made.text);
        } else {
            fresh_order_of_bob(&mesh, method.descriptor.name()).await;
        }
        let fixture = Fixture::of(&mesh, method).await;
        let Fixture { path, request, list, .. } = &fixture;
        let call = async |caller: Caller| {
            mesh.actor(caller).call(fixture.verb.clone(), path, fixture.body.clone()).await
        };
        for alice in [
            Caller::customer("alice", "alice@example.com"),
            // A token with Bob's address, which the identity provider has not verified.
            Caller::unverified("mallory", "bob@example.com"),
        ] {
            let rest = call(alice.clone()).await;
            let grpc = alice.request(request.encode_to_vec().into());
            let grpc = call_raw(mesh.channel(host), method.path.clone(), grpc).await;
            match list {
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
            let answer = call(sees).await;
            if method.repeat == access::Repeat::Safe {
                let mut ids = path.split('/').filter(|part| part.len() == 36);
                let listed = list.as_ref().is_some_and(|list| !answer.list(list.rows.name()).is_empty());
                let shown = listed
                    || ids.any(|id| answer.text.contains(id))
                    || answer.text.contains("bob@example.com");
                assert!(answer.status == 200 && shown, "{answer:?}");
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
async fn the_first_access_claims_an_order_for_good() {
    let mesh = Mesh::start().await;
    let order_id = fresh_order_of_bob(&mesh, "claimed").await;
    let path = format!("/v1/orders/{order_id}");
    assert_eq!(mesh.customer("bob").get(&path).await.status, 200);
    // Another account with the same verified address comes too late.
    let second = Caller::customer("bob-again", "bob@example.com");
    assert_eq!(mesh.actor(second).get(&path).await.status, 404);
    // Bob keeps the order if his address changes.
    let moved = Caller::customer("bob", "bob@elsewhere.example");
    assert_eq!(mesh.actor(moved).get(&path).await.status, 200);
    mesh.finish().await;
}
