//! Bodies of requests: JSON is decoded, and every mistake in it is reported.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{mesh, send};

#[tokio::test]
async fn a_body_sets_fields_of_every_kind_in_both_spellings() {
    let mesh = mesh().await;
    let body = json!({"note": "n", "order": {
        "items": [{"itemId": "i1", "count": 2, "price": {"currency_code": "GBP", "minorUnits": "1900"}}],
        "byName": {"first": {"count": 3.0}}, "notes": {"-7": "seven"}, "colour": 1, "total": -5, "serial": 7,
        "dueTime": "2026-01-31T13:00:00+01:00", "extra": {"a": [1, null, "x"]}, "discount": 3,
        "detail": {"@type": "type.googleapis.com/levqor.shop.v1.Shop", "shop_id": "s"}, "mask": "itemId,a_b",
        "gift": true, "blob": "_-8", "weight": "Infinity", "person": "p", "anything": null, "wait": "1.5s",
        "order_id": null, "parent": null}});
    let answer = mesh.post("/shop/v1/orders", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let asked = mesh.upstream.asked("CreateOrder");
    assert_eq!(asked["note"], "n");
    let mut order = asked["order"].clone();
    order["detail"] = Value::Null;
    assert_eq!(
        order,
        json!({"items": [{"item_id": "i1", "count": 2, "price": {"currency_code": "GBP", "minor_units": 1900}}],
            "by_name": {"first": {"count": 3}}, "notes": {"-7": "seven"}, "colour": "COLOUR_RED", "total": -5,
            "serial": 7, "due_time": "2026-01-31T12:00:00Z", "extra": {"a": [1.0, null, "x"]}, "discount": 3,
            "detail": null, "mask": "itemId,aB", "gift": true, "blob": "/+8=", "weight": "Infinity", "person": "p",
            "anything": null, "wait": "1.500s"})
    );
}

/// An order, and the field that is wrong.
const MISTAKES: &[(&str, &str)] = &[
    (r#"{"foo": 1}"#, "order.foo"),
    (r#"{"items": [{}, {}, {"foo": 1}]}"#, "order.items[2].foo"),
    (r#"{"items": [{"count": -1}]}"#, "order.items[0].count"),
    (r#"{"items": [{"count": 1.5}]}"#, "order.items[0].count"),
    (r#"{"items": [null]}"#, "order.items[0]"),
    (r#"{"items": {}}"#, "order.items"),
    (r#"{"items": [{"price": {"minorUnits": 9007199254740993}}]}"#, "order.items[0].price.minor_units"),
    (r#"{"items": [{"price": {"minor_units": "9007199254740993"}}]}"#, "order.items[0].price.minor_units"),
    (r#"{"items": [{"price": "GBP 1"}]}"#, "order.items[0].price"),
    (r#"{"byName": {"a b": {"foo": 1}}}"#, r#"order.by_name["a b"].foo"#),
    (r#"{"byName": {"a": null}}"#, r#"order.by_name["a"]"#),
    (r#"{"by_name": {"a": {}, "a": {}}}"#, r#"order.by_name["a"]"#),
    (r#"{"by_name": []}"#, "order.by_name"),
    (r#"{"notes": {"x": "y"}}"#, r#"order.notes["x"]"#),
    (r#"{"colour": "RED"}"#, "order.colour"),
    (r#"{"colour": 99}"#, "order.colour"),
    (r#"{"colour": "1"}"#, "order.colour"),
    (r#"{"total": true}"#, "order.total"),
    (r#"{"total": 1, "total": 1}"#, "order.total"),
    (r#"{"order_id": "a", "orderId": "a"}"#, "order.order_id"),
    (r#"{"order_id": 1}"#, "order.order_id"),
    (r#"{"order_id": "\u0000"}"#, "order.order_id"),
    (r#"{"extra": {"a": "\u0000"}}"#, "order.extra"),
    (r#"{"extra": {"\u0000": 1}}"#, "order.extra"),
    (r#"{"due_time": "2026-01-31"}"#, "order.due_time"),
    (r#"{"due_time": {"seconds": 1}}"#, "order.due_time"),
    (r#"{"wait": 1}"#, "order.wait"),
    (r#"{"extra": [1]}"#, "order.extra"),
    (r#"{"detail": {"@type": "type.googleapis.com/levqor.shop.v1.Nothing"}}"#, "order.detail"),
    (r#"{"discount": "x"}"#, "order.discount"),
    (r#"{"discount": {"value": 1}}"#, "order.discount"),
    (r#"{"gift": "true"}"#, "order.gift"),
    (r#"{"gift": 1}"#, "order.gift"),
    (r#"{"blob": "!"}"#, "order.blob"),
    (r#"{"weight": "heavy"}"#, "order.weight"),
    (r#"{"person": "p", "shop": {}}"#, "order.shop"),
    (r#"{"[levqor.shop.v1.x]": 1}"#, "order.[levqor.shop.v1.x]"),
    ("7", "order"),
];

#[tokio::test]
async fn every_mistake_is_named_with_its_full_path_and_nothing_is_asked() {
    let mesh = mesh().await;
    for (order, field) in MISTAKES.iter().copied() {
        let answer = mesh.post("/shop/v1/orders", &format!(r#"{{"order": {order}}}"#)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{order}: {}", answer.text);
        assert_eq!(answer.fields(), [field], "{order}: {}", answer.text);
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn all_mistakes_are_named_at_once() {
    let mesh = mesh().await;
    let body = r#"{"order": {"items": [{"foo": {"deep": [1]}}, {"count": "x"}], "gift": 0}, "bar": 1}"#;
    let answer = mesh.post("/shop/v1/orders", body).await;
    assert_eq!(answer.fields(), ["order.items[0].foo", "order.items[1].count", "order.gift", "bar"]);
    let many = format!(r#"{{"order": {{"items": [{}]}}}}"#, vec![r#"{"x": 1}"#; 100].join(","));
    assert_eq!(mesh.post("/shop/v1/orders", &many).await.fields().len(), 32);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let mesh = mesh().await;
    let deep = format!("{}{}", r#"{"order":{"extra":{"a":"#.to_owned() + &"[".repeat(200), "]".repeat(200));
    for body in ["{", "nonsense", "{}{}", r#"{"note": "\xff"}"#, "\u{feff}{}", deep.as_str(), "{'a': 1}"] {
        let answer = mesh.post("/shop/v1/orders", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["reason"], "MALFORMED_REQUEST", "{body}");
    }
    for body in ["null", "[]", "7"] {
        assert_eq!(mesh.post("/shop/v1/orders", body).await.fields(), ["body"], "{body}");
    }
    let parents =
        format!("{}{}", r#"{"order":{"parent":"#.to_owned() + &r#"{"parent":"#.repeat(70), "}".repeat(72));
    let broken = mesh.post("/shop/v1/orders", &parents).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn no_body_is_an_empty_message() {
    let mesh = mesh().await;
    let answer = send(mesh.request(Method::POST, "/shop/v1/orders/o1:cancel")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(mesh.upstream.asked("CancelOrder"), json!({"order_id": "o1"}));
}

#[tokio::test]
async fn a_field_may_be_the_body_and_the_path_may_set_a_part_of_it() {
    let mesh = mesh().await;
    let patch = |body: &str, query: &str| {
        let request = mesh.request(Method::PATCH, &format!("/shop/v1/orders/o1{query}"));
        send(request.header("content-type", "application/json").body(body.to_owned()))
    };
    assert_eq!(patch(r#"{"total": 5}"#, "?update_mask=total").await.status, StatusCode::OK);
    let expected = json!({"order": {"order_id": "o1", "total": 5}, "update_mask": "total"});
    assert_eq!(mesh.upstream.asked("UpdateOrder"), expected);
    assert_eq!(patch(r#"{"items": [{"foo": 1}]}"#, "").await.fields(), ["order.items[0].foo"]);
    assert_eq!(patch(r#"{"orderId": "o2"}"#, "").await.fields(), ["order.order_id"]);
    assert_eq!(patch("{}", "?order.total=1").await.fields(), ["order.total"]);
    assert_eq!(patch("7", "").await.fields(), ["order"]);
    assert_eq!(mesh.upstream.calls("UpdateOrder").len(), 1);
}

#[tokio::test]
async fn a_field_that_the_path_sets_may_not_be_in_the_body() {
    let mesh = mesh().await;
    let answer = mesh.post("/shop/v1/orders/o1:cancel", r#"{"order_id": "o1"}"#).await;
    assert_eq!(answer.fields(), ["order_id"]);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_map_may_be_the_body() {
    let mesh = mesh().await;
    let put = |body: &str| {
        let request = mesh.request(Method::PUT, "/shop/v1/orders/o1/labels");
        send(request.header("content-type", "application/json").body(body.to_owned()))
    };
    mesh.upstream.reply_json("SetLabels", json!({"labels": {"b": "2", "a": "1"}}));
    let answer = put(r#"{"a": "1"}"#).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"a":"1","b":"2"}"#));
    assert_eq!(mesh.upstream.asked("SetLabels"), json!({"order_id": "o1", "labels": {"a": "1"}}));
    assert_eq!(put(r#"{"a": 1}"#).await.fields(), [r#"labels["a"]"#]);
    assert_eq!(put("[]").await.fields(), ["labels"]);
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let mesh = mesh().await;
    let post = |content_type: Option<&str>, body: &str| {
        let request = mesh.request(Method::POST, "/shop/v1/orders").body(body.to_owned());
        send(match content_type {
            Some(value) => request.header("content-type", value),
            None => request,
        })
    };
    for refused in
        [None, Some("text/plain"), Some("application/jsonx"), Some("application/json; charset=latin1")]
    {
        let answer = post(refused, "{}").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{refused:?}");
        assert_eq!(answer.json()["reason"], "NOT_JSON", "{refused:?}");
    }
    assert_eq!(mesh.upstream.count(), 0);
    for taken in ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/json;charset=utf-8"]
    {
        assert_eq!(post(Some(taken), "{}").await.status, StatusCode::OK, "{taken}");
    }
}

#[tokio::test]
async fn a_body_where_none_belongs_is_refused() {
    let mesh = mesh().await;
    for body in ["{}", "x"] {
        let request = mesh.request(Method::DELETE, "/shop/v1/orders/o1").body(body);
        let answer = send(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(mesh.upstream.count(), 0);
    assert_eq!(send(mesh.request(Method::DELETE, "/shop/v1/orders/o1")).await.status, StatusCode::OK);
}
