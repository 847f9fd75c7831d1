//! Callers of the mesh, and the answers that they get.

use levqor_runtime::testing::Caller;
use serde_json::Value;

use super::Mesh;
use crate::fakes::mail::webhooks::Webhook;

/// A caller of the gateway.
pub(crate) struct Actor<'m> {
    pub(super) mesh: &'m Mesh,
    pub(super) caller: Caller,
}

impl Actor<'_> {
    /// Gets a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(reqwest::Method::GET, path, None).await
    }

    /// Downloads bytes by a POST to a path.
    pub(crate) async fn download(&self, path: &str) -> Vec<u8> {
        let request = self.request(reqwest::Method::POST, path).json(&serde_json::json!({}));
        let answer = request.send().await.expect("the gateway answers");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.bytes().await.expect("whole").to_vec()
    }

    /// Posts JSON to a path.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }

    /// Uploads bytes to a path.
    pub(crate) async fn upload(&self, path: &str, body: Vec<u8>) -> Answer {
        Answer::of(self.request(reqwest::Method::POST, path).body(body)).await
    }

    /// Posts a form, as a browser does.
    pub(crate) async fn form(&self, path: &str, form: &str) -> Answer {
        let request = self.request(reqwest::Method::POST, path);
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Answer::of(request.body(form.to_owned())).await
    }

    /// Posts JSON to a path, under an idempotency key.
    pub(crate) async fn post_with_key(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = self.request(reqwest::Method::POST, path).header("idempotency-key", key);
        Answer::of(request.json(&body)).await
    }

    /// Calls a path.
    pub(crate) async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.mesh.http.request(method, format!("{}{path}", self.mesh.url));
        match self.caller.authorization() {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }
}

/// The request that sends an event of the mail provider to the gateway at this address.
pub(crate) fn telling(http: &reqwest::Client, gateway: &str, webhook: &Webhook) -> reqwest::RequestBuilder {
    let Webhook { id, timestamp, signature, body } = webhook.clone();
    let request = http.post(format!("{gateway}/webhooks/resend"));
    let request = request.header("svix-id", id).header("svix-timestamp", timestamp);
    request.header("svix-signature", signature).body(body)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// The body as text.
    pub(crate) text: String,
    /// The body as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Answer {
    /// Sends a request.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the gateway answers")
    }

    /// Sends a request that may be lost; none if no whole answer came.
    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Some(Self { status, headers, text, json })
    }

    /// A text in the body.
    pub(crate) fn str(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list in the body.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.json.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}
