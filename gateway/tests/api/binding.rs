//! Query parameters: every form, and every mistake.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Mesh, mesh};

async fn asked(mesh: &Mesh, query: &str) -> Value {
    let answer = mesh.get(&format!("/shop/v1/items?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    mesh.upstream.asked("ListItems")
}

#[tokio::test]
async fn parameters_set_fields_of_every_kind() {
    let mesh = mesh().await;
    for (query, request) in [
        ("filter.text=a+b%2Bc", json!({"filter": {"text": "a b+c"}})),
        ("filter.inner.inner.text=x", json!({"filter": {"inner": {"inner": {"text": "x"}}}})),
        ("filter.sizes=1&filter.sizes=2", json!({"filter": {"sizes": [1, 2]}})),
        ("colours=COLOUR_RED&colours=2", json!({"colours": ["COLOUR_RED", "COLOUR_BLUE"]})),
        ("page_size=5", json!({"page_size": 5})),
        ("pageSize=5", json!({"page_size": 5})),
        ("since=2026-01-31T13:00:00%2B01:00", json!({"since": "2026-01-31T12:00:00Z"})),
        ("within=1.5s", json!({"within": "1.500s"})),
        ("read_mask=itemId,price.minor_units", json!({"read_mask": "itemId,price.minorUnits"})),
        ("listed=true", json!({"listed": true})),
        ("cursor=_-8", json!({"cursor": "/+8="})),
        ("min_views=9007199254740992", json!({"min_views": 9_007_199_254_740_992_u64})),
        ("max_weight=-1.5e3", json!({"max_weight": -1500.0})),
        ("shop.shop_id=s1", json!({"shop": {"shop_id": "s1"}})),
        ("filter.text=&&", json!({"filter": {}})),
        ("", json!({})),
    ] {
        assert_eq!(asked(&mesh, query).await, request, "{query}");
    }
}

/// A query, and the field that is wrong.
const MISTAKES: &[(&str, &str)] = &[
    ("nothing=1", "nothing"),
    ("filter.nothing=1", "filter.nothing"),
    ("filter.text.x=1", "filter.text.x"),
    ("filter=1", "filter"),
    ("filter.colour=COLOUR_GREEN", "filter.colour"),
    ("colours=99", "colours"),
    ("page_size=many", "page_size"),
    ("pageSize=2147483648", "page_size"),
    ("page_size=1&page_size=1", "page_size"),
    ("page_size=1&pageSize=2", "page_size"),
    ("since=yesterday", "since"),
    ("since.seconds=1", "since.seconds"),
    ("within=1", "within"),
    ("read_mask=a+b", "read_mask"),
    ("listed=yes", "listed"),
    ("cursor=%21", "cursor"),
    ("min_views=9007199254740993", "min_views"),
    ("min_views=-1", "min_views"),
    ("max_weight=inf", "max_weight"),
    ("labels=x", "labels"),
    ("labels.a=x", "labels.a"),
    ("extra=x", "extra"),
    ("shops.shop_id=x", "shops.shop_id"),
    ("person=a&shop.shop_id=b", "shop.shop_id"),
    ("filter.text=%00", "filter.text"),
    ("=1", ""),
    ("$alt=json", "$alt"),
];

#[tokio::test]
async fn every_mistake_is_named_with_its_full_path_and_nothing_is_asked() {
    let mesh = mesh().await;
    for (query, field) in MISTAKES.iter().copied() {
        let answer = mesh.get(&format!("/shop/v1/items?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.text);
        assert_eq!(answer.fields(), [field], "{query}: {}", answer.text);
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn all_mistakes_are_named_at_once() {
    let mesh = mesh().await;
    let answer = mesh.get("/shop/v1/items?page_size=x&nothing=1&filter.colour=2&within=1").await;
    assert_eq!(answer.fields(), ["page_size", "nothing", "within"]);
}

#[tokio::test]
async fn a_field_comes_from_one_place_only() {
    let mesh = mesh().await;
    for (path, field, description) in [
        ("/shop/v1/items/i1?item_id=i2", "item_id", "is set by the path"),
        ("/shop/v1/shops/s1/items/i1?shop.shopId=s2", "shop.shopId", "is set by the path"),
    ] {
        let answer = mesh.get(path).await;
        assert_eq!(answer.fields(), [field], "{path}");
        assert_eq!(answer.json()["errors"][0]["description"], description, "{path}");
    }
    let with_query = mesh.post("/shop/v1/orders?note=x", "{}").await;
    assert_eq!(with_query.fields(), ["note"]);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_or_measured_is_refused() {
    let mesh = mesh().await;
    let many = "filter.sizes=1&".repeat(257);
    for query in ["filter.text=%FF", "%FF=1", "filter.text=%", many.as_str()] {
        let answer = mesh.get(&format!("/shop/v1/items?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["reason"], "MALFORMED_REQUEST", "{query}");
    }
    let deep = format!("filter.{}text=x", "inner.".repeat(20));
    assert_eq!(mesh.get(&format!("/shop/v1/items?{deep}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(mesh.upstream.count(), 0);
}
