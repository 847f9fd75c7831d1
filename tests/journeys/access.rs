//! Every RPC answers exactly as its `access` says: by REST and by direct gRPC, for every kind of caller. The RPCs come
//! from the descriptors, so a new one is covered, or fails here.

use bytes::Bytes;
use levqor_runtime::{
    access::{Access, Host, Method},
    client::call_raw,
    context::Role,
    testing::Caller,
};
use tonic::Code;

use super::rpcs::{fill, methods, route};
use crate::harness::Mesh;

/// The services whose RPC this is.
fn hosts(method: &Method) -> Vec<String> {
    match &method.host {
        Host::Service(name) => vec![name.clone()],
        Host::Every { .. } => methods().services().to_vec(),
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

/// The refusal that a person must get. `None`: the person is admitted.
fn verdict_on_person(method: &Method, role: Option<Role>) -> Option<Code> {
    match (&method.access, role) {
        (Access::Public, _) => None,
        (_, None) => Some(Code::Unauthenticated),
        (Access::AtLeast(least), Some(role)) if role >= *least => None,
        (Access::AtLeast(_) | Access::Services(_), Some(_)) => Some(Code::PermissionDenied),
    }
}

/// The refusal that a service must get. `None`: the service is admitted.
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
    for method in methods().iter() {
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
    let services = methods().services().iter().map(String::as_str);
    let everybody: Vec<_> = services.chain(["gateway", "nobody"]).collect();
    for method in methods().iter() {
        for host in hosts(method) {
            for &from in &everybody {
                let got = grpc(&mesh, method, &host, &Caller::service(from, &host)).await;
                check(
                    &format!("{from} on {} at {host}", method.rpc),
                    got,
                    verdict_on_service(method, from, &host),
                );
            }
            // A token for another service counts as no token, also that of a service that is admitted.
            let is_admitted = |from: &&str| verdict_on_service(method, from, &host).is_none();
            let from = everybody.iter().copied().find(is_admitted).unwrap_or("nobody");
            let stolen = grpc(&mesh, method, &host, &Caller::service(from, "somewhere-else")).await;
            assert_eq!(stolen, Code::Unauthenticated, "{from} with another's token on {}", method.rpc);
        }
    }
    mesh.finish().await;
}

#[tokio::test]
async fn every_rest_route_answers_as_its_access_says() {
    let mesh = Mesh::start().await;
    let mut count = 0;
    for method in methods().iter() {
        if let Some((verb, path)) = route(method) {
            let path = fill(&path, "01a20c4a-10c4-7231-8b94-82f5e463ad18");
            count += 1;
            let has_body = [reqwest::Method::POST, reqwest::Method::PATCH].contains(&verb);
            let body = has_body.then(|| serde_json::json!({}));
            for (name, caller, role) in people() {
                let what = format!("{name} on {verb} {path}");
                let answer = mesh.actor(caller).call(verb.clone(), &path, body.clone()).await;
                let status = answer.status;
                match verdict_on_person(method, role) {
                    Some(Code::Unauthenticated) => assert_eq!(status, 401, "{what}"),
                    Some(_) => assert_eq!(status, 403, "{what}"),
                    // An admitted caller gets the violations of the request, because some routes need more than `{}`.
                    None if status == 400 => {
                        let lacks = ["INVALID_REQUEST", "IDEMPOTENCY_KEY_INVALID"];
                        assert!(lacks.contains(&answer.str("/reason")), "{what}: {answer:?}");
                    }
                    // A page's RPC takes a form, and no JSON.
                    None => assert!(matches!(status, 200 | 404 | 415), "{what}: {status}"),
                }
            }
            // From outside, the gateway refuses every service token.
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
    for method in methods().iter().filter(|method| route(method).is_none()) {
        let answer = mesh.admin().post(&format!("/{}", method.rpc), serde_json::json!({})).await;
        assert_eq!(answer.status, 404, "{}", method.rpc);
    }
    mesh.finish().await;
}

/// How an access is written in `access.snap`.
fn in_words(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::AtLeast(role) => format!("{role:?}").to_lowercase(),
        Access::Services(callers) => format!("services: {}", callers.join(", ")),
    }
}

#[test]
fn who_may_call_what_is_as_in_the_checked_in_list() {
    let lines = methods().iter().map(|m| format!("{}  {}\n", m.rpc, in_words(&m.access)));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(".");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description("Who may call what. After a change that is meant: INSTA_UPDATE=always cargo test --test mesh who_may_call");
    settings.bind(|| insta::assert_snapshot!("access", lines.concat()));
}
