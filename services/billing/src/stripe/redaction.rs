//! Redaction jobs of Stripe's privacy API, <https://docs.stripe.com/privacy/redaction>. The API is a preview: each request names a version
//! that has it. async-stripe's client names a version of its own, so these requests are made without it.

use std::time::Duration;

use levqor_runtime::client::{self, ApiBase, vendor_client};
use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{CallError, encode};
use crate::{config::PreviewVersion, domain::stripe_id::StripeId};

/// How long Stripe may take for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The path of the jobs.
const JOBS: &str = "v1/privacy/redaction_jobs";

/// A client of the redaction jobs.
pub(crate) struct Redactions {
    client: reqwest::Client,
    base: String,
    key: SecretString,
    version: PreviewVersion,
}

impl Redactions {
    /// Creates a client with this key, base URL and version of the API.
    pub(crate) fn try_new(
        key: SecretString,
        base: &ApiBase,
        version: PreviewVersion,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self { client: vendor_client(base, TIMEOUT, true)?, base: base.to_string(), key, version })
    }

    /// Creates a job for a customer, with everything that Stripe relates to them. Stripe then looks what can be redacted.
    pub(crate) async fn create(&self, customer: &StripeId, key: &str) -> Result<StripeId, CallError> {
        let form = json!({"objects": {"customers": [customer.as_str()]}, "validation_behavior": "fix"});
        let request = self.request(Method::POST, JOBS);
        let request = request.header("idempotency-key", key).body(encode(&form));
        let job = send(request, "/v1/privacy/redaction_jobs").await?;
        job.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()).ok_or(CallError::Unreadable)
    }

    /// How far a job is, in Stripe's word.
    pub(crate) async fn status(&self, job: &StripeId) -> Result<String, CallError> {
        let request = self.request(Method::GET, &path(job)?);
        let job = send(request, "/v1/privacy/redaction_jobs/{id}").await?;
        job.get("status").and_then(Value::as_str).map(str::to_owned).ok_or(CallError::Unreadable)
    }

    /// Has a job take a step: `run` or `validate`.
    pub(crate) async fn step(&self, job: &StripeId, step: &str, key: &str) -> Result<(), CallError> {
        let request = self.request(Method::POST, &format!("{}/{step}", path(job)?));
        let request = request.header("idempotency-key", key).body(String::new());
        send(request, "/v1/privacy/redaction_jobs/{id}/{step}").await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        request
            .bearer_auth(self.key.expose_secret())
            .header("stripe-version", self.version.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
    }
}

/// The path of a job.
fn path(job: &StripeId) -> Result<String, CallError> {
    if job.is_plain() {
        Ok(format!("{JOBS}/{job}"))
    } else {
        Err(CallError::Refused { status: 404, code: None })
    }
}

async fn send(request: RequestBuilder, template: &'static str) -> Result<Value, CallError> {
    let answer = client::send(request, template).await.map_err(|error| unanswered(&error))?;
    let status = answer.status();
    let body = answer.json::<Value>().await;
    if status.is_success() {
        return body.map_err(|_| CallError::Unreadable);
    }
    Err(failure(status.as_u16(), &body.unwrap_or_default()))
}

fn unanswered(error: &reqwest::Error) -> CallError {
    CallError::Unknown(if error.is_timeout() {
        "Stripe did not answer in time"
    } else {
        "Stripe cannot be reached"
    })
}

fn failure(status: u16, body: &Value) -> CallError {
    match status {
        401 | 403 => CallError::NotAllowed(status),
        409 | 424 | 429 => CallError::Limited(status),
        500.. => CallError::Failed(status),
        _ => {
            let code = body.pointer("/error/code").and_then(Value::as_str).filter(|code| is_name(code));
            CallError::Refused { status, code: code.map(str::to_owned) }
        }
    }
}

/// Whether it is one of Stripe's names of failures, and nothing else, since it is logged.
fn is_name(code: &str) -> bool {
    (1..=60).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_name_that_stripe_gives_it() {
        let refused = |code: &str| failure(400, &json!({"error": {"code": code}})).name();
        assert_eq!(refused("resource_missing"), "resource_missing");
        assert_eq!(refused("ada@example.com"), "HTTP 400");
        assert_eq!(failure(503, &Value::Null), CallError::Failed(503));
        assert_eq!(failure(401, &Value::Null), CallError::NotAllowed(401));
    }

    #[test]
    fn a_request_without_an_answer_is_made_again_under_the_same_key() {
        for status in [400, 500] {
            assert!(failure(status, &Value::Null).is_kept_for_key(), "{status}: Stripe would say it again");
        }
        for status in [401, 409, 429] {
            assert!(!failure(status, &Value::Null).is_kept_for_key(), "{status}");
        }
        assert!(!CallError::Unknown("Stripe did not answer in time").is_kept_for_key());
    }
}
