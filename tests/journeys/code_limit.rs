//! A service itself counts the calls of the class CODE, for each caller that the gateway distinguishes.

use reqwest::header::RETRY_AFTER;

use crate::harness::Mesh;

#[tokio::test]
async fn a_service_refuses_the_sixth_try_although_the_gateway_lets_it_pass() {
    // The gateway of this mesh has no limits.
    let mesh = Mesh::start_with(&[("LEVQOR_RATE_LIMITS", "on")]).await;
    let path = "/v1/data-requests/01a20c4a-10c4-7231-8b94-82f5e463ad18:confirm";
    let body = serde_json::json!({"code": "123456"});
    for _ in 0..5 {
        assert_eq!(mesh.anon().post(path, body.clone()).await.status, 403);
    }
    let refused = mesh.anon().post(path, body.clone()).await;
    assert_eq!((refused.status, refused.str("/reason")), (429, "RATE_LIMITED"), "{}", refused.text);
    let words = "too many requests; try again after the time in the Retry-After header";
    assert_eq!(refused.str("/detail"), words);
    let left: u64 = refused.headers[RETRY_AFTER].to_str().expect("text").parse().expect("seconds");
    assert!((1..=900).contains(&left), "{left}");
    // An account is another caller, from the same address.
    assert_eq!(mesh.customer("ada").post(path, body).await.status, 403);
    mesh.finish().await;
}
