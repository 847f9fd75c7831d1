//! The webhook secrets, by a signed round trip to the running gateway. What is signed says of itself that it is a probe, so
//! nothing is journaled or counted: the reason of the refusal tells that the signature was good. A wrong one must be refused
//! as such.

use levqor_billing::WEBHOOK_PROBE;
use levqor_runtime::{
    check::{self, Check, Finding},
    client::local_http_client,
    clock::Clock,
};
use serde_json::Value;

use super::{PATIENCE, subject::Subject};
use crate::demo::sign;

const NAME: &str = "billing.stripe_webhooks";
/// What a probe is refused with whose signature is not good, and one whose signature is.
const BAD_SIGNATURE: &str = "SIGNATURE_MISMATCH";
const PROBED: &str = "WEBHOOK_PROBE";

/// One round trip per secret, and one with a wrong one.
pub(super) fn checks(subject: &Subject) -> Vec<Check> {
    let Some(url) = subject.url() else {
        let off = Finding::off("no gateway is known here", "start `levqor up`, or set LEVQOR_URL");
        return vec![Check::known(NAME, off)];
    };
    let url = format!("{url}/webhooks/stripe");
    match subject.secrets("STRIPE_WEBHOOK_SECRET") {
        Ok(secrets) if !secrets.is_empty() => {
            vec![Check::new(NAME, "POST /webhooks/stripe, signed", round_trips(url, secrets))]
        }
        Ok(_) => vec![Check::known(NAME, Finding::failed("STRIPE_WEBHOOK_SECRET is not set"))],
        Err(_) => vec![Check::known(NAME, Finding::failed("STRIPE_WEBHOOK_SECRET cannot be read"))],
    }
}

async fn round_trips(url: String, secrets: Vec<String>) -> Finding {
    let count = secrets.len();
    for (n, secret) in secrets.iter().enumerate() {
        match refusal(&url, secret).await {
            Ok(reason) if reason == PROBED => {}
            Ok(reason) if reason == BAD_SIGNATURE => {
                return Finding::failed(format!(
                    "{reason}: the mesh does not know secret {} of {count} of STRIPE_WEBHOOK_SECRET",
                    n + 1
                ));
            }
            Ok(reason) => return Finding::failed(format!("signed: {reason}, where {PROBED} was expected")),
            Err(reason) => return Finding::failed(reason),
        }
    }
    // The wrong secret begins as a right one does.
    let wrong = format!("{}x", secrets.first().map(String::as_str).unwrap_or_default());
    match refusal(&url, &wrong).await {
        Ok(reason) if reason == BAD_SIGNATURE => {}
        Ok(reason) => {
            return Finding::failed(format!("wrongly signed: {reason}, where {BAD_SIGNATURE} was expected"));
        }
        Err(reason) => return Finding::failed(reason),
    }
    let secrets = if count == 1 { "the secret".to_owned() } else { format!("each of {count} secrets") };
    Finding::on(format!(
        "signed with {secrets}: {PROBED}, so the signature is good; signed wrongly: {BAD_SIGNATURE}"
    ))
}

/// The reason with which a webhook signed with this secret is refused; an error where it is not refused.
async fn refusal(url: &str, secret: &str) -> Result<String, String> {
    let signature = sign(secret, Clock::default().now().timestamp(), WEBHOOK_PROBE);
    let words = |error: reqwest::Error| check::clock::words(&error);
    let http = local_http_client().map_err(words)?;
    let request = http.post(url).header("stripe-signature", signature).body(WEBHOOK_PROBE).timeout(PATIENCE);
    let answer = request.send().await.map_err(words)?;
    let status = answer.status();
    if status.is_success() {
        return Err(format!("{}: a probe was taken for an event", status.as_u16()));
    }
    let problem: Value = answer.json().await.map_err(words)?;
    let reason = problem.get("reason").and_then(Value::as_str).map(str::to_owned);
    reason.ok_or_else(|| format!("{} without a reason", status.as_u16()))
}
