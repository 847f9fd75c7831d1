//! Checks the webhook secrets by signed requests to the running gateway. The body says that it is a probe, so the gateway
//! journals and counts nothing. The reason of its refusal tells whether the signature was good. A probe with a wrong signature
//! must be refused for its signature.

use base64::{Engine, engine::general_purpose::STANDARD};
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    check::{self, Check, Finding},
    client::local_http_client,
    clock::Clock,
    id,
    service::Service,
    webhook::{PROBE, standard_key},
};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{TIMEOUT, subject::Subject};
use crate::demo;

/// The reason for a probe with a bad signature, and the reason for a probe with a good one.
const BAD_SIGNATURE: &str = "SIGNATURE_MISMATCH";
const PROBED: &str = "WEBHOOK_PROBE";

/// A sender of webhooks: how its signatures work, and where they are verified.
struct Sender {
    service: &'static str,
    name: &'static str,
    asked: &'static str,
    path: &'static str,
    setting: &'static str,
    /// Whether a service can work without the setting.
    optional: bool,
    /// Decodes the key from a secret. None if the secret does not have the sender's format.
    key: fn(&str) -> Option<Vec<u8>>,
    /// The headers of a probe, signed now with this key.
    sign: fn(&[u8]) -> Vec<(&'static str, String)>,
}

const SENDERS: [Sender; 2] = [
    Sender {
        service: Billing::NAME,
        name: "billing.stripe_webhooks",
        asked: "POST /webhooks/stripe, signed",
        path: "/webhooks/stripe",
        setting: "STRIPE_WEBHOOK_SECRET",
        optional: false,
        key: |secret| Some(secret.as_bytes().to_vec()),
        sign: |key| vec![("stripe-signature", demo::sign(key, now(), PROBE))],
    },
    Sender {
        service: Notifications::NAME,
        name: "notifications.resend_webhooks",
        asked: "POST /webhooks/resend, signed",
        path: "/webhooks/resend",
        setting: "RESEND_WEBHOOK_SECRET",
        optional: true,
        key: |secret| Some(standard_key(&secret.into())?.expose_secret().to_vec()),
        sign: as_svix,
    },
];

fn now() -> i64 {
    Clock::default().now().timestamp()
}

/// Signs as Svix does for Resend: <https://docs.svix.com/receiving/verifying-payloads/how-manual>.
fn as_svix(key: &[u8]) -> Vec<(&'static str, String)> {
    let (id, timestamp) = (format!("msg_{}", id::request_id()), now());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let tag = ring::hmac::sign(&key, format!("{id}.{timestamp}.{PROBE}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(tag.as_ref()));
    vec![("svix-id", id), ("svix-timestamp", timestamp.to_string()), ("svix-signature", signature)]
}

/// One probe for each secret, and one probe with a wrong secret, for each sender whose service is checked.
pub(super) fn checks(subject: &Subject) -> Vec<Check> {
    let checked = SENDERS.into_iter().filter(|sender| subject.is_checked(sender.service));
    checked.map(|sender| sender.check(subject)).collect()
}

impl Sender {
    fn check(self, subject: &Subject) -> Check {
        let setting = self.setting;
        if self.optional && !subject.sets(setting) {
            let why = format!("{setting} is not set: nothing that is posted to {} is taken", self.path);
            let how = format!("set {setting} to the endpoint's signing secret, whsec_…");
            return Check::known(self.name, Finding::off(why, how));
        }
        let Some(url) = subject.url() else {
            let off = Finding::off("no gateway is known here", "start `levqor up`, or set LEVQOR_URL");
            return Check::known(self.name, off);
        };
        let keys = match subject.secrets(setting) {
            Ok(secrets) => secrets.iter().map(|secret| (self.key)(secret)).collect::<Option<Vec<_>>>(),
            Err(_) => None,
        };
        match keys {
            Some(keys) if keys.is_empty() => {
                Check::known(self.name, Finding::failed(format!("{setting} is not set")))
            }
            Some(keys) => {
                let (name, asked) = (self.name, self.asked);
                Check::new(name, asked, async move { self.round_trips(&url, keys).await })
            }
            None => Check::known(self.name, Finding::failed(format!("{setting} cannot be read"))),
        }
    }

    async fn round_trips(&self, url: &str, keys: Vec<Vec<u8>>) -> Finding {
        let count = keys.len();
        for (n, key) in keys.iter().enumerate() {
            match self.refusal(url, key).await {
                Ok(reason) if reason == PROBED => {}
                Ok(reason) if reason == BAD_SIGNATURE => {
                    return Finding::failed(format!(
                        "{reason}: the mesh does not know secret {} of {count} of {}",
                        n + 1,
                        self.setting
                    ));
                }
                Ok(reason) => {
                    return Finding::failed(format!("signed: {reason}, where {PROBED} was expected"));
                }
                Err(reason) => return Finding::failed(reason),
            }
        }
        // The wrong key begins with a right key.
        let mut wrong = keys.into_iter().next().unwrap_or_default();
        wrong.push(b'x');
        match self.refusal(url, &wrong).await {
            Ok(reason) if reason == BAD_SIGNATURE => {}
            Ok(reason) => {
                return Finding::failed(format!(
                    "wrongly signed: {reason}, where {BAD_SIGNATURE} was expected"
                ));
            }
            Err(reason) => return Finding::failed(reason),
        }
        let secrets = if count == 1 { "the secret".to_owned() } else { format!("each of {count} secrets") };
        Finding::on(format!(
            "signed with {secrets}: {PROBED}, so the signature is good; signed wrongly: {BAD_SIGNATURE}"
        ))
    }

    /// The reason why a probe with this key is refused. An error if it is accepted.
    async fn refusal(&self, url: &str, key: &[u8]) -> Result<String, String> {
        let words = |error: reqwest::Error| check::clock::words(&error);
        let http = local_http_client().map_err(words)?;
        let request = http.post(format!("{url}{}", self.path)).body(PROBE).timeout(TIMEOUT);
        let request =
            (self.sign)(key).into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().await.map_err(words)?;
        let status = answer.status();
        if status.is_success() {
            return Err(format!("{}: a probe was taken for an event", status.as_u16()));
        }
        let problem: Value = answer.json().await.map_err(words)?;
        let reason = problem.get("reason").and_then(Value::as_str).map(str::to_owned);
        reason.ok_or_else(|| format!("{} without a reason", status.as_u16()))
    }
}
