//! HTML pages for people: their content security policy, and the page that shows an error.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};

/// The content security policy of our pages. It allows inline styles and forms that post to us. It forbids scripts and frames.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// A response with an HTML page.
pub(crate) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The page that shows an error. With the `request_id`, the error is found in the log.
pub(crate) fn error_page(title: &str, detail: &str, request_id: &str) -> String {
    let [title, detail, request_id] = [title, detail, request_id].map(escape);
    format!(
        "<!doctype html>\n<html lang=\"en-GB\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <style>body{{font:16px/1.5 Arial,Helvetica,sans-serif;max-width:36em;margin:3em auto;padding:0 1em}}</style></head>\n\
         <body><main><h1>{title}</h1><p>This did not work: {detail}.</p><p><small>{request_id}</small></p></main></body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let page = error_page("Not Found", "<script>alert(\"&\")</script>", "\"><b>");
        assert!(
            page.contains("This did not work: &lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;."),
            "{page}"
        );
        assert!(page.contains("<small>&quot;&gt;&lt;b&gt;</small>"), "{page}");
    }
}
