//! JSON in answers: names, numbers, times, and fields without a value.

use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    harness::{mesh, send},
    upstream::Reply,
};

#[tokio::test]
async fn an_answer_has_every_field_that_has_a_default() {
    let mesh = mesh().await;
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let expected = r#"{"item_id":"","colour":"COLOUR_UNSPECIFIED","stock":0,"views":0,"weight":0.0,"rating":0.0,"listed":false,"picture":"","tags":[],"sizes":{}}"#;
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn an_answer_is_written_as_the_protos_spell_it() {
    let mesh = mesh().await;
    mesh.upstream.reply_json(
        "GetItem",
        json!({"itemId": "i1", "colour": "COLOUR_BLUE", "price": {"currencyCode": "GBP", "minorUnits": "9007199254740992"},
            "stock": "-9007199254740992", "views": "1", "weight": 1.5, "rating": 0.25, "listed": true, "picture": "/+8=",
            "tags": ["a", "b"], "sizes": {"y": 2, "x": 1}, "createTime": "2026-01-31T12:00:00.5+01:00",
            "leadTime": "1.5s", "changed": "itemId,price.minorUnits", "limit": "7", "extra": {"n": 1, "s": [true, null]},
            "shop": {}, "rank": 0}),
    );
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(
        answer.json(),
        json!({"item_id": "i1", "colour": "COLOUR_BLUE",
            "price": {"currency_code": "GBP", "minor_units": 9_007_199_254_740_992_i64},
            "stock": -9_007_199_254_740_992_i64, "views": 1, "weight": 1.5, "rating": 0.25, "listed": true,
            "picture": "/+8=", "tags": ["a", "b"], "sizes": {"x": 1, "y": 2}, "create_time": "2026-01-31T11:00:00.500Z",
            "lead_time": "1.500s", "changed": "item_id,price.minor_units", "limit": 7,
            "extra": {"n": 1.0, "s": [true, null]}, "shop": {"shop_id": ""}, "rank": 0})
    );
}

#[tokio::test]
async fn an_integer_beyond_2_to_the_53_is_our_fault_and_not_rounded() {
    let mesh = mesh().await;
    for price in [
        json!({"stock": "9007199254740993"}),
        json!({"stock": "-9007199254740993"}),
        json!({"views": "18446744073709551615"}),
        json!({"price": {"minorUnits": "9007199254740993"}}),
        json!({"limit": "9007199254740993"}),
    ] {
        mesh.upstream.reply_json("GetItem", price.clone());
        let answer = mesh.get("/shop/v1/items/i1").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{price}");
        assert_eq!(answer.json()["reason"], "INTERNAL", "{price}");
        assert!(
            !answer.text.contains("9007199254740993") && !answer.text.contains("2^53"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_newer_services_enum_value_and_fields_do_not_break_the_answer() {
    let mesh = mesh().await;
    // colour (2) = 99, and an unknown field 100 = 1.
    mesh.upstream.reply("GetItem", [Reply::Bytes(vec![0x10, 99, 0xa0, 0x06, 1])]);
    assert_eq!(mesh.get("/shop/v1/items/i1").await.json()["colour"], 99);
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_our_fault() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetItem", [Reply::Bytes(vec![0x0a, 99])]);
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["detail"], "something went wrong on our side; the failure was recorded");
}

#[tokio::test]
async fn one_field_may_be_the_answer() {
    let mesh = mesh().await;
    mesh.upstream.reply_json("DeleteOrder", json!({"removed": ["o1", "o2"]}));
    let answer = send(mesh.request(Method::DELETE, "/shop/v1/orders/o1")).await;
    assert_eq!(answer.json(), json!(["o1", "o2"]));
    assert_eq!(send(mesh.request(Method::DELETE, "/shop/v1/orders/o1")).await.json(), json!([]));
}
