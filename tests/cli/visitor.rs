//! A client on this machine that calls the running mesh by REST, as staff, and delivers Stripe's events.

use std::fs;

use levqor_runtime::client::local_http_client;
use serde_json::Value;

use crate::{
    process::{Folder, levqor, run, text},
    stripe::sign_with,
};

/// The visitor.
pub(crate) struct Visitor {
    http: reqwest::Client,
    url: String,
    token: String,
    webhook_secret: String,
}

impl Visitor {
    /// Makes a visitor of the mesh that runs in this folder now.
    pub(crate) fn of(folder: &Folder) -> Self {
        let read = |name: &str, field: &str| {
            let bytes = fs::read(folder.data().join(name)).expect(name);
            let json: Value = serde_json::from_slice(&bytes).expect("JSON");
            json[field].as_str().expect(field).to_owned()
        };
        let token = text(&run(levqor(&folder.data(), &["token", "--role", "admin"])).stdout);
        Self {
            http: local_http_client().expect("client"),
            url: read("run.json", "url"),
            token: token.trim().to_owned(),
            webhook_secret: read("secrets.json", "STRIPE_WEBHOOK_SECRET"),
        }
    }

    /// Posts an event as Stripe does; it must be acknowledged.
    pub(crate) async fn deliver(&self, event: &Value) {
        let body = event.to_string();
        let signature = sign_with(&self.webhook_secret, 0, &body);
        let request = self.http.post(format!("{}/webhooks/stripe", self.url));
        let answer =
            request.header("stripe-signature", signature).body(body).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
    }

    /// A list that a path answers with.
    pub(crate) async fn list(&self, path: &str, name: &str) -> Vec<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let body: Value = answer.json().await.expect("JSON");
        body[name].as_array().cloned().unwrap_or_default()
    }

    /// How many calls a service still has to make, or has given up. The next step of a flow waits for its day, and does not
    /// count.
    pub(crate) async fn waiting(&self, service: &str) -> usize {
        let calls = self.list(&format!("/v1/services/{service}/deferred-calls"), "deferred_calls").await;
        calls
            .iter()
            .filter(|call| !call["rpc"].as_str().unwrap_or_default().ends_with("/TakeFlowStep"))
            .count()
    }
}
