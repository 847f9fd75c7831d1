//! The chat widget: how it is cached, what its source must not have, and the page that only `levqor up` shows.

use http::{Method, StatusCode};

use crate::harness::{mesh, mesh_with, send};

/// The most bytes that the script may have when it is compressed. It is served as it is, and is smaller even then.
const MOST_BYTES: usize = 30_000;

#[tokio::test]
async fn the_script_is_cached_and_a_browser_that_has_it_gets_no_second_copy() {
    let mesh = mesh().await;
    let answer = mesh.get("/widget.js").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=300, stale-while-revalidate=86400");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.headers.contains_key("ratelimit"), "it counts against no limit");
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
    for (known, status) in [(tag.as_str(), 304), ("\"another\"", 200)] {
        let again = send(mesh.request(Method::GET, "/widget.js").header("if-none-match", known)).await;
        assert_eq!(again.status.as_u16(), status, "{known}");
        assert_eq!(again.text.is_empty(), status == 304, "{known}");
        assert_eq!(
            (again.header("etag"), again.header("cache-control")),
            (tag.as_str(), answer.header("cache-control"))
        );
    }
    assert_eq!(mesh.post("/widget.js", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn the_script_is_small_and_makes_markup_of_no_text() {
    let script = mesh().await.get("/widget.js").await.text;
    assert!(script.contains("attachShadow") && script.len() < MOST_BYTES, "{} bytes", script.len());
    for never in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "<style",
        ".style",
        "javascript:",
        "sessionStorage",
        "document.cookie",
    ] {
        assert!(!script.contains(never), "{never}");
    }
    // The conversation is all that it stores.
    assert_eq!(script.matches("localStorage.setItem").count(), 1);
}

#[tokio::test]
async fn the_demo_page_is_shown_where_it_is_asked_for_and_allows_nothing_inline() {
    assert_eq!(mesh().await.get("/demo").await.status, StatusCode::NOT_FOUND);
    let answer = mesh_with(|config| config.demo_page = true).await.get("/demo").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "trusted-types 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert!(answer.text.contains("<script src=\"/widget.js\" defer></script>"), "{}", answer.text);
    for inline in ["<style", "style=", "onclick", "<script>"] {
        assert!(!answer.text.contains(inline), "{inline}");
    }
}
