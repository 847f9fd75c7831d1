//! A page token leads on in the list that gave it, with the filter that it was given for, and nowhere else.

use levqor_runtime::access::Method;
use prost_reflect::Kind;
use serde_json::Value;

use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::{Actor, Mesh},
    journeys::routes::routes,
    stripe::paid_checkout,
};

/// Every list: its path, and a filter by an enum that all its rows here pass.
async fn lists(admin: &Actor<'_>) -> Vec<(String, String)> {
    let is_list = |method: &&Method| method.descriptor.input().get_field_by_name("page_token").is_some();
    let mut lists = Vec::new();
    for method in levqor_gateway::methods().iter().filter(is_list) {
        let (_, path) = routes(method).pop().expect("a route");
        let fields = method.descriptor.input();
        let (field, values) = fields
            .fields()
            .find_map(|field| match field.kind() {
                Kind::Enum(values) => Some((field.name().to_owned(), values)),
                _ => None,
            })
            .unwrap_or_else(|| panic!("{} has no enum to filter by: give it a filter here", method.rpc));
        let page = admin.get(&format!("{path}?page_size=1")).await;
        let rows = page.json.as_object().and_then(|page| page.values().find_map(Value::as_array));
        let value = rows.and_then(|rows| rows.first()?.get(&field)?.as_str());
        let value =
            value.map_or_else(|| values.get_value(1).expect("a value").name().to_owned(), str::to_owned);
        lists.push((path, format!("{field}={value}")));
    }
    lists
}

/// A mesh with two rows or more in each list but that of deferred calls, which are gone once they were made.
async fn with_rows() -> Mesh {
    let mesh = Mesh::start().await;
    for name in ["ada", "bob"] {
        assert_eq!(mesh.deliver(&paid_checkout(name, name)).await.status, 200);
        let sent = event("email.sent", name, 0, &Value::Null);
        assert_eq!(mesh.tell(&Webhook::of(&sent.to_string())).await.status, 200);
    }
    mesh.settle().await;
    mesh
}

#[tokio::test]
async fn a_page_token_used_with_another_list_or_filter_is_refused_and_a_changed_size_is_not() {
    let mesh = with_rows().await;
    let admin = mesh.admin();
    let lists = lists(&admin).await;
    let mut tokens = Vec::new();
    for (path, filter) in lists.iter().filter(|(path, _)| !path.ends_with("/deferred-calls")) {
        for query in ["", filter] {
            let page = admin.get(&format!("{path}?page_size=1&{query}")).await;
            let token = page.str("/next_page_token").to_owned();
            assert!(!token.is_empty(), "{path}?{query}: {page:?}");
            tokens.push((path, query, token));
        }
    }
    assert!(tokens.len() >= 8, "{tokens:?}");
    for (of_path, of_query, token) in &tokens {
        for (path, filter) in &lists {
            for query in ["", filter.as_str()] {
                let answer = admin.get(&format!("{path}?page_size=7&{query}&page_token={token}")).await;
                let good = (*of_path, *of_query) == (path, query);
                let what = format!("of {of_path}?{of_query}, used with {path}?{query}: {answer:?}");
                assert_eq!(answer.status, if good { 200 } else { 400 }, "{what}");
                let named = answer.text.contains("page_token");
                assert!(good || named, "{what}");
            }
        }
    }
    // What one customer was given leads nowhere in what another, or staff, may see.
    let orders = "/v1/orders?page_size=1";
    let token = mesh.staff().get(orders).await.str("/next_page_token").to_owned();
    let path = format!("{orders}&page_token={token}");
    assert_eq!(mesh.customer("ada").get(&path).await.status, 400);
    assert_eq!(mesh.admin().get(&path).await.status, 200, "staff and admins see the same rows");
    mesh.finish().await;
}
