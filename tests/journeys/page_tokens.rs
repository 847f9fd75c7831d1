//! A page token leads on in the list that gave it, with the filter that it was given for, and nowhere else.

use serde_json::Value;

use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::Mesh,
    stripe::paid_checkout,
};

/// Every list, each with a filter that all its rows here pass.
const LISTS: [(&str, &str); 5] = [
    ("/v1/orders", "state=STATE_PAID"),
    ("/v1/stripe-events", "state=STATE_PROCESSED"),
    ("/v1/messages", "state=STATE_SENT"),
    ("/v1/provider-events", "type=email.sent"),
    ("/v1/services/billing/deferred-calls", "state=STATE_DEAD"),
];

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
    let lists = levqor_gateway::methods().iter().filter(|it| it.descriptor.name().starts_with("List"));
    assert_eq!(lists.count(), LISTS.len(), "a list is missing in this test");
    let mut tokens = Vec::new();
    for (path, filter) in &LISTS[..4] {
        for query in ["", filter] {
            let page = admin.get(&format!("{path}?page_size=1&{query}")).await;
            let token = page.str("/next_page_token").to_owned();
            assert!(!token.is_empty(), "{path}?{query}: {page:?}");
            tokens.push((path, query, token));
        }
    }
    for (of_path, of_query, token) in &tokens {
        for (path, filter) in &LISTS {
            for query in ["", filter] {
                let answer = admin.get(&format!("{path}?page_size=7&{query}&page_token={token}")).await;
                let good = (of_path, of_query) == (&path, &query);
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
