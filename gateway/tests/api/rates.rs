//! Rate limits: how many requests one caller may make, and the limits in the responses.

use http::{Method, StatusCode};
use levqor_runtime::{context::Role, testing::eventually};

use crate::harness::{Answer, Mesh, mesh, mesh_with, send, token};

/// A gateway where each class has so few requests that a test can use them up.
async fn strict_mesh() -> Mesh {
    mesh_with(|config| {
        config.rates.default = "3/3600s".parse().expect("a rate");
        config.rates.chat = "2/3600s".parse().expect("a rate");
        config.rates.code = "1/3600s".parse().expect("a rate");
        config.rates.heavy = "2/3600s".parse().expect("a rate");
    })
    .await
}

async fn get_as(mesh: &Mesh, role: Role, path: &str) -> Answer {
    send(mesh.request(Method::GET, path).bearer_auth(token(role))).await
}

/// Sends this many requests. Returns their statuses.
async fn statuses(mesh: &Mesh, path: &str, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(mesh.get(path).await.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn a_caller_with_too_many_requests_is_told_when_to_retry() {
    let mesh = strict_mesh().await;
    for left in [2, 1, 0] {
        let answer = mesh.get("/shop/v1/items/i1").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=3;w=3600");
        let limit = answer.header("ratelimit");
        let reset =
            limit.strip_prefix(&format!("\"default\";r={left};t=")).unwrap_or_else(|| panic!("{limit}"));
        let reset: u32 = reset.parse().expect("seconds");
        assert!(reset > (2 - left) * 1200 && reset <= (3 - left) * 1200, "{limit}");
    }
    let refused = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem = refused.json();
    assert_eq!((&problem["code"], &problem["reason"]), (&"RATE_LIMITED".into(), &"RATE_LIMITED".into()));
    let retry_after: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1000..=1200).contains(&retry_after), "{retry_after}");
    assert_eq!(problem["retry_after_s"], retry_after);
    assert!(refused.header("ratelimit").starts_with("\"default\";r=0;t="), "{}", refused.header("ratelimit"));
    assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=3;w=3600");
    assert_eq!(mesh.upstream.count(), 3);
}

#[tokio::test]
async fn each_class_of_the_protos_has_its_own_limit() {
    let mesh = strict_mesh().await;
    for (path, class, taken) in [
        ("/shop/v1/items:watch", "chat", 2),
        ("/shop/v1/halls/h/shelves/s", "code", 1),
        ("/shop/v1/pages/p1:download", "heavy", 2),
        ("/shop/v1/items/i1", "default", 3),
    ] {
        for n in 0..=taken {
            let answer = mesh.get(path).await;
            let expected = if n < taken { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
            assert_eq!(answer.status, expected, "{path} {n}");
            let policy = answer.header("ratelimit-policy");
            assert_eq!(policy, format!("\"{class}\";q={taken};w=3600"), "{path}");
        }
    }
}

#[tokio::test]
async fn staff_have_ten_times_as_many_requests_in_a_bucket_of_their_own() {
    let mesh = strict_mesh().await;
    assert_eq!(statuses(&mesh, "/shop/v1/items/i1", 4).await, [200, 200, 200, 429]);
    for role in [Role::Customer, Role::Staff] {
        // Every role here belongs to `alice`. A caller who becomes staff gets another bucket than before.
        let answer = get_as(&mesh, role, "/shop/v1/items/i1").await;
        assert_eq!(answer.status, StatusCode::OK, "{role:?}");
        let expected = if role == Role::Staff { "\"default\";q=30;w=3600" } else { "\"default\";q=3;w=3600" };
        assert_eq!(answer.header("ratelimit-policy"), expected);
    }
}

#[tokio::test]
async fn refused_requests_of_every_kind_count_and_an_invalid_token_counts_by_its_address() {
    let mesh = strict_mesh().await;
    let bad = || send(mesh.request(Method::GET, "/shop/v1/items/i1").bearer_auth("x"));
    let refused = bad().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.header("ratelimit").starts_with("\"default\";r=2;"), "{}", refused.header("ratelimit"));
    assert_eq!(mesh.get("/shop/v1/takings").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(mesh.get("/shop/v1/items/i1?foo=1").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bad().await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(mesh.get("/shop/v1/takings").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn health_webhooks_and_preflights_are_not_limited() {
    let mesh = mesh_with(|config| {
        config.rates.default = "1/3600s".parse().expect("a rate");
        config.cors_origins = "https://levqor.ai".parse().expect("origins");
    })
    .await;
    for _ in 0..5 {
        for path in ["/health/live", "/health/ready"] {
            let answer = mesh.get(path).await;
            assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert!(!answer.headers.contains_key("ratelimit"), "{path}");
        }
        let webhook = mesh.post("/webhooks/stripe", "{}").await;
        assert_ne!(webhook.status, StatusCode::TOO_MANY_REQUESTS);
        let preflight = mesh.request(Method::OPTIONS, "/shop/v1/items").header("origin", "https://levqor.ai");
        let preflight = send(preflight.header("access-control-request-method", "GET")).await;
        assert!(preflight.status.is_success(), "{}", preflight.status);
    }
    assert_eq!(mesh.get("/shop/v1/items/i1").await.status, StatusCode::OK);
    // A page must be able to read when it may ask again.
    let refused =
        send(mesh.request(Method::GET, "/shop/v1/items/i1").header("origin", "https://levqor.ai")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("access-control-allow-origin"), "https://levqor.ai");
}

#[tokio::test]
async fn the_public_status_is_counted_like_an_rpc_of_the_default_class() {
    let mesh = strict_mesh().await;
    for left in [2, 1] {
        let answer = mesh.get("/v1/status").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("ratelimit").starts_with(&format!("\"default\";r={left};")));
    }
    let bad = send(mesh.request(Method::GET, "/v1/status").bearer_auth("x")).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    let refused = mesh.get("/v1/status").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("ratelimit").starts_with("\"default\";r=0;"), "{}", refused.header("ratelimit"));
    assert_eq!(get_as(&mesh, Role::Staff, "/v1/status").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_limit_of_callers_behind_a_trusted_proxy_is_their_own() {
    let mesh = mesh_with(|config| {
        config.rates.default = "1/3600s".parse().expect("a rate");
        config.trusted_proxies.networks = vec!["127.0.0.1/32".parse().expect("a network")];
    })
    .await;
    for (address, expected) in [
        ("203.0.113.1", StatusCode::OK),
        ("203.0.113.2", StatusCode::OK),
        ("203.0.113.1", StatusCode::TOO_MANY_REQUESTS),
        // The caller wrote the first address, the proxy the last. Only the last one counts.
        ("198.51.100.7, 203.0.113.2", StatusCode::TOO_MANY_REQUESTS),
        ("2001:db8::1", StatusCode::OK),
        ("2001:db8::2", StatusCode::TOO_MANY_REQUESTS),
    ] {
        let request = mesh.request(Method::GET, "/shop/v1/items/i1").header("x-forwarded-for", address);
        assert_eq!(send(request).await.status, expected, "{address}");
    }
}

#[tokio::test]
async fn a_caller_who_was_limited_is_accepted_again_after_the_retry_time() {
    let mesh = mesh_with(|config| config.rates.default = "1/1s".parse().expect("a rate")).await;
    eventually("a request is refused", || async {
        let answer = mesh.get("/shop/v1/items/i1").await;
        (answer.status == StatusCode::TOO_MANY_REQUESTS)
            .then(|| assert_eq!(answer.header("retry-after"), "1"))
    })
    .await;
    eventually("a request is accepted again", || async {
        (mesh.get("/shop/v1/items/i1").await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn for_load_tests_every_limit_can_be_lifted() {
    let mesh = mesh_with(|config| {
        config.rates.default = "1/3600s".parse().expect("a rate");
        config.rates.on = false;
    })
    .await;
    assert_eq!(statuses(&mesh, "/shop/v1/items/i1", 5).await, [200; 5]);
    assert!(!mesh.get("/shop/v1/items/i1").await.headers.contains_key("ratelimit"));
}

#[tokio::test]
async fn the_limits_are_those_of_the_design_unless_set() {
    let mesh = mesh().await;
    for (path, policy) in [
        ("/shop/v1/items/i1", "\"default\";q=300;w=60"),
        ("/shop/v1/items:watch", "\"chat\";q=20;w=60"),
        ("/shop/v1/halls/h/shelves/s", "\"code\";q=5;w=900"),
        ("/shop/v1/pages/p1:download", "\"heavy\";q=6;w=60"),
    ] {
        assert_eq!(mesh.get(path).await.header("ratelimit-policy"), policy, "{path}");
    }
}
