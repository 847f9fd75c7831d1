//! The client of the language model: one call of OpenAI's API for chat completions, which many servers have,
//! <https://platform.openai.com/docs/api-reference/chat/create>.
//!
//! We do not use the crate `async-openai`: it retries for longer than a customer waits, reads answers
//! of any size, refuses answers of other servers that lack a field, and has the server's words, which may quote a customer, in its
//! errors.

mod stream;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;
use levqor_runtime::client::{self, vendor_client};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::model::ModelConfig,
    domain::model_call::{ModelOutcome, Tokens},
};

/// The most bytes of an answer.
const MOST_BYTES: usize = 256 * 1024;
/// After this many failures in a row the model is not asked for a while: customers would wait, and get no answer from it.
const MOST_FAILURES: u32 = 3;
const REST: Duration = Duration::from_secs(30);

/// The client.
pub(crate) struct Model {
    client: reqwest::Client,
    url: String,
    key: SecretString,
    name: String,
    most_tokens: u32,
    patience: Duration,
    health: Mutex<Health>,
}

/// How the last calls went.
#[derive(Default)]
struct Health {
    failures: u32,
    last_failure: Option<ModelOutcome>,
    rests_until: Option<Instant>,
}

/// The model's text, or why there is none.
pub(crate) struct Reply {
    pub(crate) written: Result<String, ModelOutcome>,
    pub(crate) tokens: Tokens,
}

impl Reply {
    fn none(outcome: ModelOutcome) -> Self {
        Self { written: Err(outcome), tokens: Tokens::default() }
    }
}

/// Hears each piece of the text while the model writes it.
pub(crate) type Hear<'h> = &'h mut (dyn FnMut(&str) + Send);

impl Model {
    pub(crate) fn try_new(config: ModelConfig) -> Result<Self, reqwest::Error> {
        let patience = config.patience.0;
        Ok(Self {
            client: vendor_client(&config.base.server, patience, true)?,
            url: format!("{}/chat/completions", config.base.url),
            key: config.key,
            name: config.name.as_str().to_owned(),
            most_tokens: config.most_tokens.0,
            patience,
            health: Mutex::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The last failure, if the last call failed.
    pub(crate) fn trouble(&self) -> Option<ModelOutcome> {
        self.health().last_failure
    }

    /// Whether it failed so often that it is not asked now.
    pub(crate) fn rests(&self) -> bool {
        self.health().rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Asks the model for an answer in the form of this JSON Schema. `instructions` are ours, `question` is what customers and articles
    /// say. With `hear`, the server is asked to stream the answer.
    pub(crate) async fn ask(
        &self,
        instructions: &str,
        question: &str,
        schema: &Value,
        hear: Option<Hear<'_>>,
    ) -> Reply {
        let mut body = json!({
            "model": self.name,
            "max_completion_tokens": self.most_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": true, "schema": schema},
            },
            "messages": [
                {"role": "system", "content": instructions},
                {"role": "user", "content": question},
            ],
        });
        if hear.is_some() {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        let request = self.client.post(&self.url).bearer_auth(self.key.expose_secret()).json(&body);
        // The client's own limit ends a slow answer; this one also ends a slow look-up of the host.
        let answer = tokio::time::timeout(self.patience, receive(request, hear)).await;
        match answer {
            Ok(Ok(reply)) => reply,
            Ok(Err(outcome)) => Reply::none(outcome),
            Err(_) => Reply::none(ModelOutcome::TimedOut),
        }
    }

    /// Notes how a call went, and logs when the model begins to fail and when it works again.
    pub(crate) fn note(&self, outcome: ModelOutcome) {
        let mut health = self.health();
        if outcome.is_working() {
            if health.last_failure.take().is_some() {
                tracing::info!("the language model answers again");
            }
            *health = Health::default();
            return;
        }
        health.failures += 1;
        if health.last_failure.replace(outcome) != Some(outcome) {
            let reason = outcome.as_str();
            tracing::warn!(reason, "the language model does not answer: the chat quotes articles");
        }
        if health.failures >= MOST_FAILURES || outcome == ModelOutcome::Unauthorised {
            health.rests_until = Some(Instant::now() + REST);
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the request and receives the whole answer. A server that does not stream is read like one that was not asked to.
async fn receive(request: reqwest::RequestBuilder, hear: Option<Hear<'_>>) -> Result<Reply, ModelOutcome> {
    let mut response = client::send(request, "/chat/completions").await.map_err(|error| failure(&error))?;
    let status = response.status();
    if let Some(hear) = hear.filter(|_| status == StatusCode::OK && stream::is_one(&response)) {
        return stream::receive(response, hear).await;
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(ModelOutcome::Malformed);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(read(status, &body))
}

/// Why there is no answer.
fn failure(error: &reqwest::Error) -> ModelOutcome {
    if error.is_timeout() {
        ModelOutcome::TimedOut
    } else if error.is_connect() {
        ModelOutcome::Unreachable
    } else {
        ModelOutcome::Cut
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { read: usage.prompt_tokens, written: usage.completion_tokens }
    }
}

/// Reads an answer. The text of an error is not read, because it may quote a customer.
fn read(status: StatusCode, body: &[u8]) -> Reply {
    match status.as_u16() {
        200 => {}
        401 | 403 => return Reply::none(ModelOutcome::Unauthorised),
        402 | 429 => return Reply::none(ModelOutcome::RateLimited),
        408 | 504 => return Reply::none(ModelOutcome::TimedOut),
        500.. => return Reply::none(ModelOutcome::ServerFailed),
        _ => return Reply::none(ModelOutcome::Rejected),
    }
    let Ok(Completion { choices, usage }) = serde_json::from_slice(body) else {
        return Reply::none(ModelOutcome::Malformed);
    };
    let written = choices.into_iter().next().map_or(Err(ModelOutcome::Empty), content);
    Reply { written, tokens: usage.map(Tokens::from).unwrap_or_default() }
}

/// The text of a choice.
fn content(Choice { message, finish_reason }: Choice) -> Result<String, ModelOutcome> {
    let refused = message.refusal.is_some_and(|refusal| !refusal.is_empty());
    match finish_reason.as_deref() {
        Some("content_filter") => Err(ModelOutcome::Refused),
        _ if refused => Err(ModelOutcome::Refused),
        Some("length") => Err(ModelOutcome::Cut),
        _ => message.content.filter(|content| !content.trim().is_empty()).ok_or(ModelOutcome::Empty),
    }
}
