//! Which RPC a method and a path mean.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{mesh, send};

#[tokio::test]
async fn a_nested_path_sets_nested_fields() {
    let mesh = mesh().await;
    assert_eq!(mesh.get("/shop/v1/shops/s1/items/i1").await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("GetItem"), json!({"shop": {"shop_id": "s1"}, "item_id": "i1"}));
}

#[tokio::test]
async fn additional_bindings_lead_to_the_same_rpc() {
    let mesh = mesh().await;
    assert_eq!(mesh.get("/shop/v1/items/i1?shop.shop_id=s2").await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("GetItem"), json!({"shop": {"shop_id": "s2"}, "item_id": "i1"}));
    let report = Method::from_bytes(b"REPORT").expect("a method");
    assert_eq!(send(mesh.request(report, "/shop/v1/items/i2")).await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("GetItem"), json!({"item_id": "i2"}));
}

#[tokio::test]
async fn a_variable_may_span_segments() {
    let mesh = mesh().await;
    for (path, rpc, name) in [
        ("/shop/v1/files/a/b.txt", "GetFile", "files/a/b.txt"),
        ("/shop/v1/files", "GetFile", "files"),
        ("/shop/v1/files/a%2Fb/c%20d", "GetFile", "files/a%2Fb/c d"),
        ("/shop/v1/halls/h1/shelves/s%201", "GetShelf", "halls/h1/shelves/s 1"),
    ] {
        assert_eq!(mesh.get(path).await.status, StatusCode::OK, "{path}");
        assert_eq!(mesh.upstream.asked(rpc), json!({"name": name}), "{path}");
    }
    assert_eq!(mesh.get("/shop/v1/halls/h1/shelves").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_literal_comes_before_a_variable() {
    let mesh = mesh().await;
    mesh.get("/shop/v1/tags/special").await;
    mesh.get("/shop/v1/tags/specials").await;
    assert_eq!(mesh.upstream.asked("GetSpecialTag"), json!({}));
    assert_eq!(mesh.upstream.asked("GetTag"), json!({"tag": "specials"}));
}

#[tokio::test]
async fn a_value_is_decoded_once_and_may_hold_a_slash_or_a_colon() {
    let mesh = mesh().await;
    for (path, tag) in
        [("a%2Fb", "a/b"), ("a%252Fb", "a%2Fb"), ("x:y", "x:y"), ("%C3%A9+", "é+"), ("100%25", "100%")]
    {
        assert_eq!(mesh.get(&format!("/shop/v1/tags/{path}")).await.status, StatusCode::OK, "{path}");
        assert_eq!(mesh.upstream.asked("GetTag"), json!({"tag": tag}), "{path}");
    }
    for path in ["%FF", "%C3", "%zz", "a%"] {
        let answer = mesh.get(&format!("/shop/v1/tags/{path}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.json()["reason"], "MALFORMED_REQUEST", "{path}");
    }
    assert_eq!(mesh.upstream.calls("GetTag").len(), 5);
}

#[tokio::test]
async fn a_verb_is_not_part_of_the_id() {
    let mesh = mesh().await;
    assert_eq!(mesh.post("/shop/v1/orders/o:1:cancel", r#"{"reason": "r"}"#).await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("CancelOrder"), json!({"order_id": "o:1", "reason": "r"}));
    assert_eq!(mesh.post("/shop/v1/orders/o1:nothing", "{}").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn missing_objects_are_404() {
    let mesh = mesh().await;
    let paths = [
        "/",
        "/shop",
        "/shop/v1/orders/",
        "/shop/v1//orders",
        "/levqor.shop.v1.ShopService/GetItem",
        "/v2/x",
    ];
    for path in paths {
        let answer = mesh.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["reason"], "NO_ROUTE", "{path}");
    }
    let internal = mesh.post("/levqor.shop.v1.ShopService/Restock", "{}").await;
    assert_eq!(internal.status, StatusCode::NOT_FOUND);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn another_method_is_405_and_names_those_that_the_path_takes() {
    let mesh = mesh().await;
    for (method, path, allow) in [
        (Method::GET, "/shop/v1/orders", "POST"),
        (Method::POST, "/shop/v1/orders/o1", "DELETE, PATCH"),
        (Method::DELETE, "/shop/v1/items/i1", "GET, HEAD, REPORT"),
        (Method::GET, "/shop/v1/orders/o1:cancel", "POST"),
        (Method::OPTIONS, "/shop/v1/orders", "POST"),
    ] {
        let answer = send(mesh.request(method.clone(), path)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.json()["reason"], "METHOD_NOT_ALLOWED", "{method} {path}");
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let mesh = mesh().await;
    let get = mesh.get("/shop/v1/items/i1").await;
    let head = send(mesh.request(Method::HEAD, "/shop/v1/items/i1")).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    let missing = send(mesh.request(Method::HEAD, "/nothing")).await;
    assert_eq!((missing.status, missing.text.as_str()), (StatusCode::NOT_FOUND, ""));
}

#[tokio::test]
async fn a_request_field_may_name_the_service() {
    let mesh = mesh().await;
    assert_eq!(mesh.get("/shop/v1/desks/billing").await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("GetDesk"), json!({"service": "billing"}));
    let unknown = mesh.get("/shop/v1/desks/nobody").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["reason"], "UNKNOWN_SERVICE");
    assert_eq!(mesh.upstream.calls("GetDesk").len(), 1);
}
