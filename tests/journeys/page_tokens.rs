//! A page token is valid only for the list and the filter that it was made for.

use super::rpcs::{List, lists, mesh_with_rows};
use crate::harness::Mesh;

/// Every list with its queries: one without a filter, and one with a filter that all rows of this test match.
async fn listings(mesh: &Mesh) -> Vec<(List, Vec<String>)> {
    let mut listings = Vec::new();
    for list in lists() {
        let filter = list.by_state_of(&mesh.admin().get(&list.path).await);
        let queries = [String::new()].into_iter().chain(filter).collect();
        listings.push((list, queries));
    }
    listings
}

#[tokio::test]
async fn a_page_token_used_with_another_list_or_filter_is_refused_and_a_changed_size_is_not() {
    let mesh = mesh_with_rows().await;
    let admin = mesh.admin();
    let listings = listings(&mesh).await;
    let mut tokens = Vec::new();
    for (list, queries) in &listings {
        let path = &list.path;
        for query in queries {
            let page = admin.get(&format!("{path}?page_size=1&{query}")).await;
            let token = page.str("/next_page_token").to_owned();
            let may_be_empty = path.ends_with("/deferred-calls");
            assert!(may_be_empty || !token.is_empty(), "{}: ?{query}: {page:?}", list.needs_rows());
            tokens.push((path, query, token));
        }
    }
    for (of_path, of_query, token) in tokens.iter().filter(|(.., token)| !token.is_empty()) {
        for (List { path, .. }, queries) in &listings {
            // Of two lists, one pair of queries shows that their tokens differ.
            let queries =
                queries.iter().filter(|query| *of_path == path || (of_query.is_empty() && query.is_empty()));
            for query in queries {
                let answer = admin.get(&format!("{path}?page_size=7&{query}&page_token={token}")).await;
                let good = (of_path, of_query) == (&path, &query);
                let what = format!("of {of_path}?{of_query}, used with {path}?{query}: {answer:?}");
                assert_eq!(answer.status, if good { 200 } else { 400 }, "{what}");
                let named = answer.text.contains("page_token");
                assert!(good || named, "{what}");
            }
        }
    }
    // A token that staff got is not valid for a customer, because a customer's list has other rows.
    let orders = "/v1/orders?page_size=1";
    let token = mesh.staff().get(orders).await.str("/next_page_token").to_owned();
    let path = format!("{orders}&page_token={token}");
    assert_eq!(mesh.customer("ada").get(&path).await.status, 400);
    assert_eq!(mesh.admin().get(&path).await.status, 200, "staff and admins see the same rows");
    mesh.finish().await;
}
