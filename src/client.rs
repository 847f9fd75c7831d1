//! The client of the commands. It calls the gateway by REST, as every other client does.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use levqor_runtime::{check::clock, client::local_http_client, config::Env, context::Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    output, refusal,
    state::{self, DataDir, Gateway},
    token,
};

/// How long a mesh may take to start.
const START: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the gateway may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// A signed-in client of the gateway.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    bearer: SecretString,
}

impl Client {
    /// Creates a client with the operator's token for the gateway that the commands use. It first checks that one of our gateways
    /// answers there, so that a wrong address is reported at once.
    pub(crate) async fn connect(env: &Env, role: Role) -> anyhow::Result<Self> {
        let (url, whose) = match state::gateway(env)? {
            Gateway::Named(url) => {
                let whose = format!("LEVQOR_URL: {}", without_password(&url));
                (url, whose)
            }
            Gateway::Here(run) => {
                if !run.ready {
                    wait_for_start(env).await?;
                }
                let whose = format!("the mesh that runs here, at {}", run.url);
                (run.url, whose)
            }
        };
        // The check precedes the token: if the address is wrong, a missing token is not the real problem.
        greet(&url).await.map_err(|reason| anyhow!("{whose}: {reason}"))?;
        Self::at(url, token::operator(env, role)?)
    }

    /// Creates a client for this gateway and this token.
    pub(crate) fn at(url: String, bearer: SecretString) -> anyhow::Result<Self> {
        // The client ignores a proxy from the environment, because the mesh runs on this machine.
        let http = local_http_client().context("cannot set up an HTTP client")?;
        Ok(Self { http, url, bearer })
    }

    /// Gets JSON.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.answer(self.http.get(format!("{}{path}", self.url)).query(query)).await
    }

    /// Gets every entry of a list, page by page.
    pub(crate) async fn list(
        &self,
        path: &str,
        filter: (&str, &str),
        name: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let (mut entries, mut page_token) = (Vec::new(), String::new());
        loop {
            let page = self.get(path, &[filter, ("page_token", &page_token)]).await?;
            entries.extend(page.get(name).and_then(Value::as_array).into_iter().flatten().cloned());
            page_token =
                page.get("next_page_token").and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
            if page_token.is_empty() {
                return Ok(entries);
            }
        }
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

    /// Whether the mesh reports that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = self.http.get(format!("{}/health/ready", self.url)).timeout(Duration::from_secs(5));
        request.send().await.is_ok_and(|response| response.status().is_success())
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        read(request.bearer_auth(self.bearer.expose_secret()).timeout(Duration::from_secs(20))).await
    }
}

/// Checks that one of our gateways answers at this address. Otherwise the error says why not.
async fn greet(url: &str) -> Result<(), String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("not a URL that begins with http:// or https://".to_owned());
    }
    let http = local_http_client().map_err(|_| "an HTTP client cannot be set up".to_owned())?;
    let request = http.get(format!("{url}/health/live")).timeout(FIRST_ANSWER);
    let answer = request.send().await.map_err(|error| clock::words(&error))?;
    let status = answer.status();
    let body = answer.json::<Value>().await.unwrap_or_default();
    if status.is_success() && body.get("status").and_then(Value::as_str) == Some("live") {
        return Ok(());
    }
    Err(format!("something else than a Levqor gateway answers there ({status} to GET /health/live)"))
}

/// Waits until the `levqor up` that runs here is ready. It has already written its addresses.
async fn wait_for_start(env: &Env) -> anyhow::Result<()> {
    output::remark("the mesh that runs here is still starting: waiting for it");
    let data = DataDir::find(env)?;
    let ready = async {
        loop {
            match data.run_file()? {
                Some(run) if run.ready => return Ok(()),
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
                None => bail!("the mesh that was starting here has ended"),
            }
        }
    };
    let late = || format!("the mesh that runs here is still starting after {} s", START.as_secs());
    tokio::time::timeout(START, ready).await.with_context(late)?
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

/// Removes a possible name and password from an address.
pub(crate) fn without_password(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_password("https://me:hunter2@levqor.example"), "levqor.example");
        assert_eq!(without_password("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
    }
}
