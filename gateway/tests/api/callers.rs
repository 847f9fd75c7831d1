//! Who may call, by a verified token only.

use http::{Method, StatusCode};
use levqor_runtime::{
    context::Role,
    metrics::{self, Format},
};
use secrecy::ExposeSecret;

use crate::harness::{Answer, Mesh, mesh, send, service_tokens, token, token_for};

async fn get_as(mesh: &Mesh, path: &str, authorization: &str) -> Answer {
    send(mesh.request(Method::GET, path).header("authorization", authorization)).await
}

#[tokio::test]
async fn a_role_that_is_too_low_is_refused_before_the_service_is_asked() {
    let mesh = mesh().await;
    let nobody = mesh.get("/shop/v1/takings").await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    assert_eq!(nobody.json()["reason"], "TOKEN_MISSING");
    let customer = get_as(&mesh, "/shop/v1/takings", &format!("Bearer {}", token(Role::Customer))).await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
    assert_eq!(customer.json()["reason"], "ROLE_TOO_LOW");
    assert_eq!(mesh.upstream.count(), 0);
    for role in [Role::Staff, Role::Admin] {
        let answer = get_as(&mesh, "/shop/v1/takings", &format!("Bearer {}", token(role))).await;
        assert_eq!(answer.status, StatusCode::OK, "{role:?}");
    }
}

#[tokio::test]
async fn a_bearer_token_reaches_the_service_unchanged_and_is_not_used_for_other_callers() {
    let mesh = mesh().await;
    let bearer = format!("Bearer {}", token(Role::Customer));
    assert_eq!(get_as(&mesh, "/shop/v1/items/i1", &bearer).await.status, StatusCode::OK);
    mesh.get("/shop/v1/items/i1").await;
    let calls = mesh.upstream.calls("GetItem");
    assert_eq!(calls[0].metadata.get("authorization").expect("a bearer"), &bearer);
    assert!(!calls[1].metadata.contains_key("authorization"));
}

#[tokio::test]
async fn an_invalid_token_is_refused_even_if_none_is_needed() {
    let mesh = mesh().await;
    let expired = format!("Bearer {}", token_for(Role::Admin, -3600));
    for authorization in
        [expired.as_str(), "Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "token", "Bearer a b"]
    {
        let answer = get_as(&mesh, "/shop/v1/items/i1", authorization).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{authorization}");
    }
    assert_eq!(get_as(&mesh, "/shop/v1/items/i1", &expired).await.json()["reason"], "TOKEN_EXPIRED");
    let good = format!("Bearer {}", token(Role::Admin));
    let twice = mesh.request(Method::GET, "/shop/v1/items/i1").header("authorization", &good);
    assert_eq!(send(twice.header("authorization", &good)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_service_token_from_outside_is_refused() {
    let mesh = mesh().await;
    for (from, to) in [("gateway", "shop"), ("gateway", "billing"), ("billing", "gateway")] {
        let token = service_tokens().mint(from, to).expect("a token");
        let bearer = format!("Bearer {}", token.expose_secret());
        for path in ["/shop/v1/items/i1", "/shop/v1/takings", "/v1/status"] {
            let answer = get_as(&mesh, path, &bearer).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{from} {to} {path}");
            assert_eq!(answer.json()["reason"], "TOKEN_KIND", "{from} {to} {path}");
        }
    }
    assert!(mesh.upstream.calls("GetItem").is_empty() && mesh.upstream.calls("GetTakings").is_empty());
}

#[tokio::test]
async fn the_caller_is_checked_before_the_body() {
    let mesh = mesh().await;
    let answer = mesh.post("/shop/v1/charges", "nonsense").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refused_callers_are_counted_by_the_reason() {
    let mesh = mesh().await;
    let customer = format!("Bearer {}", token(Role::Customer));
    let eternal = format!("Bearer {}", token_for(Role::Admin, 100 * 365 * 86_400));
    for _ in 0..5 {
        mesh.get("/shop/v1/takings").await;
        get_as(&mesh, "/shop/v1/takings", &customer).await;
        let answer = get_as(&mesh, "/shop/v1/items/i1", &eternal).await;
        assert_eq!(answer.json()["reason"], "TOKEN_LIVES_TOO_LONG");
    }
    let page = metrics::render(&[mesh.gateway.metrics().clone()], Format::accepted("text/plain"));
    for reason in ["TOKEN_MISSING", "ROLE_TOO_LOW", "TOKEN_LIVES_TOO_LONG"] {
        let line = page.lines().find(|line| line.contains("access_refusals_total") && line.contains(reason));
        assert!(line.is_some_and(|line| line.ends_with(" 5")), "{reason}: {line:?}");
    }
}
