//! Tests of the fake itself against Stripe's documentation.

mod answers;
mod buyers;
mod events;
mod subscriptions;
mod troubles;
mod webhooks;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{KEY, Stripe};

/// The API's answer over HTTP.
struct Answer {
    status: StatusCode,
    json: Value,
    replayed: bool,
    request_id: String,
}

impl Answer {
    /// A text in the body.
    fn str(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The ids of a list.
    fn ids(&self) -> Vec<&str> {
        let objects = self.json["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        objects.iter().filter_map(|object| object["id"].as_str()).collect()
    }
}

impl Stripe {
    /// Asks the API over HTTP, with more headers.
    async fn call(&self, method: Method, path: &str, form: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let client = levqor_runtime::client::local_http_client().expect("a client");
        let mut request = client.request(method, format!("{}{path}", self.url())).body(form.to_owned());
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.bearer_auth(KEY);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.ok()?;
        let text = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (status, replayed, request_id) =
            (response.status(), text("idempotent-replayed") == "true", text("request-id"));
        Some(Answer { status, json: response.json().await.ok()?, replayed, request_id })
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "", &[]).await.expect("an answer")
    }

    async fn post_form(&self, path: &str, form: &str) -> Answer {
        self.call(Method::POST, path, form, &[]).await.expect("an answer")
    }
}
