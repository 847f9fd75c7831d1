//! Every RPC answers exactly as its `access` says: by REST and by direct gRPC, for every kind of caller. The RPCs come
//! from the descriptors, so a new one is covered, or fails here.

use bytes::Bytes;
use levqor_runtime::{
    access::{Access, Host, Method},
    client::call_raw,
    context::Role,
    testing::Caller,
};
use prost_reflect::Value;
use tonic::Code;

use crate::harness::Mesh;

/// The services whose RPC this is.
fn hosts(method: &Method) -> Vec<String> {
    match &method.host {
        Host::Service(name) => vec![name.clone()],
        Host::Every { .. } => levqor_gateway::methods().services().to_vec(),
    }
}

/// Every kind of person, with the role that the tests below expect them to have.
fn people() -> [(&'static str, Caller, Option<Role>); 5] {
    [
        ("anonymous", Caller::anonymous(), None),
        ("customer", Caller::customer("alice", "alice@example.com"), Some(Role::Customer)),
        ("unverified customer", Caller::unverified("eve", "alice@example.com"), Some(Role::Customer)),
        ("staff", Caller::staff(), Some(Role::Staff)),
        ("admin", Caller::admin(), Some(Role::Admin)),
    ]
}

/// What a person must be answered: nothing means admitted.
fn verdict_on_person(method: &Method, role: Option<Role>) -> Option<Code> {
    match (&method.access, role) {
        (Access::Public, _) => None,
        (_, None) => Some(Code::Unauthenticated),
        (Access::AtLeast(least), Some(role)) if role >= *least => None,
        (Access::AtLeast(_) | Access::Services(_), Some(_)) => Some(Code::PermissionDenied),
    }
}

/// What a service must be answered.
fn verdict_on_service(method: &Method, from: &str, host: &str) -> Option<Code> {
    match &method.access {
        Access::Public => None,
        Access::Services(callers) if callers.iter().any(|c| c == from || (c == "self" && from == host)) => {
            None
        }
        Access::Services(_) | Access::AtLeast(_) => Some(Code::PermissionDenied),
    }
}

async fn grpc(mesh: &Mesh, method: &Method, host: &str, caller: &Caller) -> Code {
    let request = caller.with_key("access").request(Bytes::new());
    match call_raw(mesh.channel(host), method.path.clone(), request).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

fn check(what: &str, got: Code, expected: Option<Code>) {
    let admitted = !matches!(got, Code::Unauthenticated | Code::PermissionDenied);
    if let Some(code) = expected {
        assert_eq!(got, code, "{what}");
    } else {
        assert!(admitted, "{what} was refused: {got:?}");
        let failed = matches!(got, Code::Internal | Code::Unknown | Code::Unimplemented);
        assert!(!failed, "{what} failed: {got:?}");
    }
}

#[tokio::test]
async fn every_rpc_answers_people_by_grpc_as_its_access_says() {
    let mesh = Mesh::start().await;
    for method in levqor_gateway::methods().iter() {
        for host in hosts(method) {
            for (name, caller, role) in people() {
                let got = grpc(&mesh, method, &host, &caller).await;
                check(&format!("{name} on {} at {host}", method.rpc), got, verdict_on_person(method, role));
            }
        }
    }
    mesh.finish().await;
}

#[tokio::test]
async fn every_rpc_answers_services_by_grpc_as_its_access_says() {
    let mesh = Mesh::start().await;
    let everybody = ["gateway", "billing", "notifications", "compliance", "support", "nobody"];
    for method in levqor_gateway::methods().iter() {
        for host in hosts(method) {
            for from in everybody {
                let got = grpc(&mesh, method, &host, &Caller::service(from, &host)).await;
                check(
                    &format!("{from} on {} at {host}", method.rpc),
                    got,
                    verdict_on_service(method, from, &host),
                );
                // A token for another callee is no token.
                let stolen = grpc(&mesh, method, &host, &Caller::service(from, "somewhere-else")).await;
                assert_eq!(stolen, Code::Unauthenticated, "{from} with another's token on {}", method.rpc);
            }
        }
    }
    mesh.finish().await;
}

/// The REST routes of an RPC: method and path, each variable filled with something that fits.
fn routes(method: &Method) -> Vec<(reqwest::Method, String)> {
    let pool = levqor_gateway::methods().pool();
    let http = pool.get_extension_by_name("google.api.http").expect("the option");
    let options = method.descriptor.options();
    if !options.has_extension(&http) {
        return Vec::new();
    }
    let rule = options.get_extension(&http).into_owned();
    let Value::Message(rule) = rule else { panic!("a rule") };
    let routes = ["get", "post", "put", "patch", "delete"].into_iter().filter_map(|verb| {
        let path = rule.get_field_by_name(verb)?.as_str()?.to_owned();
        (!path.is_empty()).then(|| (verb.to_uppercase().parse().expect("verb"), fill(&path)))
    });
    routes.collect()
}

fn fill(template: &str) -> String {
    let mut path = String::new();
    for part in template.split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some("service") => path.push_str("billing"),
            Some("event_id") => path.push_str("evt_none"),
            Some(_) => path.push_str("01a20c4a-10c4-7231-8b94-82f5e463ad18"),
            None => path.push_str(part.trim_end_matches('{')),
        }
    }
    path
}

#[tokio::test]
async fn every_rest_route_answers_as_its_access_says() {
    let mesh = Mesh::start().await;
    let mut count = 0;
    for method in levqor_gateway::methods().iter() {
        for (verb, path) in routes(method) {
            count += 1;
            let body = (verb == reqwest::Method::POST).then(|| serde_json::json!({}));
            for (name, caller, role) in people() {
                let what = format!("{name} on {verb} {path}");
                let answer = mesh.actor(caller).call(verb.clone(), &path, body.clone()).await;
                let status = answer.status;
                match verdict_on_person(method, role) {
                    Some(Code::Unauthenticated) => assert_eq!(status, 401, "{what}"),
                    Some(_) => assert_eq!(status, 403, "{what}"),
                    // Who is admitted learns what the request lacks: `{}` is not enough for every route.
                    None if status == 400 => {
                        let lacks = ["INVALID_REQUEST", "IDEMPOTENCY_KEY_INVALID"];
                        assert!(lacks.contains(&answer.str("/reason")), "{what}: {answer:?}");
                    }
                    None => assert!(matches!(status, 200 | 404), "{what}: {status}"),
                }
            }
            // From outside, no service token is good, whatever it would open inside.
            let service =
                mesh.actor(Caller::service("gateway", "billing")).call(verb.clone(), &path, body).await;
            assert_eq!(service.status, 401, "a service token on {verb} {path}");
        }
    }
    assert!(count >= 10, "only {count} routes were found");
    mesh.finish().await;
}

#[tokio::test]
async fn an_rpc_without_a_route_cannot_be_reached_from_outside() {
    let mesh = Mesh::start().await;
    for method in levqor_gateway::methods().iter().filter(|method| routes(method).is_empty()) {
        let answer = mesh.admin().post(&format!("/{}", method.rpc), serde_json::json!({})).await;
        assert_eq!(answer.status, 404, "{}", method.rpc);
    }
    mesh.finish().await;
}

/// How an access is written in `access.txt`.
fn in_words(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::AtLeast(role) => format!("{role:?}").to_lowercase(),
        Access::Services(callers) => format!("services: {}", callers.join(", ")),
    }
}

#[test]
fn who_may_call_what_is_as_the_checked_in_list_says() {
    let lines = levqor_gateway::methods().iter().map(|m| format!("{}  {}\n", m.rpc, in_words(&m.access)));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    let now = lines.concat();
    assert_eq!(
        include_str!("access.txt"),
        now,
        "who may call has changed: if that is meant, make tests/journeys/access.txt what stands on the right, where \
         everybody who reviews will see it"
    );
}
