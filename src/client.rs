//! The commands' way to the gateway: REST, as everybody else.

use std::time::Duration;

use anyhow::{Context, bail};
use levqor_runtime::{client::local_http_client, config::Env, context::Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{refusal, state, token};

/// A signed-in client of the gateway.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    bearer: SecretString,
}

impl Client {
    /// A client with the operator's token.
    pub(crate) fn new(env: &Env, role: Role) -> anyhow::Result<Self> {
        Self::at(state::gateway_url(env)?, token::operator(env, role)?)
    }

    /// A client of this gateway, with this token.
    pub(crate) fn at(url: String, bearer: SecretString) -> anyhow::Result<Self> {
        // A proxy of the environment's is for the way out; the mesh is on this machine.
        let http = local_http_client().context("cannot set up an HTTP client")?;
        Ok(Self { http, url, bearer })
    }

    /// Gets JSON.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.answer(self.http.get(format!("{}{path}", self.url)).query(query)).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Posts a webhook, as Stripe does: without a token.
    pub(crate) async fn post_webhook(&self, signature: &str, body: String) -> anyhow::Result<Value> {
        let request =
            self.http.post(format!("{}/webhooks/stripe", self.url)).header("stripe-signature", signature);
        read(request.body(body).timeout(Duration::from_secs(20))).await
    }

    /// Whether the mesh says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = self.http.get(format!("{}/health/ready", self.url)).timeout(Duration::from_secs(5));
        request.send().await.is_ok_and(|response| response.status().is_success())
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        read(request.bearer_auth(self.bearer.expose_secret()).timeout(Duration::from_secs(20))).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await.context("the gateway does not answer; is `levqor up` running?")?;
    let status = response.status();
    let body: Value = response.json().await.context("the gateway's answer is not JSON")?;
    if !status.is_success() {
        bail!("{}", refusal::words(status, &body));
    }
    Ok(body)
}
