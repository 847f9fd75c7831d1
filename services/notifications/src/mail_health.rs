//! Whether the mail provider accepts our mail in general, judged by its last answers to this process. It may refuse the API key
//! or the sender's domain. The first refusal of that kind shows at once: no mail goes out until somebody fixes the cause.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

use crate::provider::{Answer, Trouble};

/// The name of the capability to send mail.
const NAME: &str = "mail_resend";

/// The last refusal of all mail. An accepted mail clears it.
#[derive(Debug, Clone)]
struct Refusal {
    /// The provider's status and error name.
    what: String,
    time: DateTime<Utc>,
}

impl Refusal {
    /// What the refusal means. Resend answers 401 for a refused key. It answers 403 for a refused key too, for a domain that is
    /// not verified, and for an account that may write only to its owner.
    fn meaning(what: &str) -> &'static str {
        if what.starts_with("401") || what.ends_with("api_key") {
            "it refuses RESEND_API_KEY"
        } else {
            "it takes no mail of ours"
        }
    }
}

/// The health of the provider, shared by the deliveries of this process.
#[derive(Debug, Default)]
pub(crate) struct MailHealth {
    refusal: Mutex<Option<Refusal>>,
}

impl MailHealth {
    /// Notes whether the answer refuses all our mail, and logs a change. Only an accepted mail ends a refusal: a timeout or a
    /// rate limit says nothing about the key or the domain.
    pub(crate) fn answered(&self, answer: &Answer, now: DateTime<Utc>) {
        match answer {
            Answer::Unauthorised(Trouble { what, .. }) => {
                let before = self.refusal().replace(Refusal { what: what.clone(), time: now });
                if before.is_none_or(|before| before.what != *what) {
                    let reason = format!("{what}: {}", Refusal::meaning(what));
                    tracing::warn!(reason, "the mail provider refuses us: no mail goes out");
                }
            }
            Answer::Accepted(_) => {
                if self.refusal().take().is_some() {
                    tracing::info!("the mail provider takes mail again");
                }
            }
            Answer::Refused(_) | Answer::NotAccepted(_) | Answer::Ambiguous(_) | Answer::KeyTaken(_) => {}
        }
    }

    /// The capability: whether mail goes out, and how.
    pub(crate) fn capability(&self, how: String) -> Capability {
        match &*self.refusal() {
            None => Capability::on(NAME, how),
            Some(Refusal { what, time }) => {
                let meaning = Refusal::meaning(what);
                let why = format!("the provider at RESEND_API_BASE answered {what}: {meaning}");
                Capability::failed(NAME, why).measured_at(*time)
            }
        }
    }

    /// The capability without a provider.
    pub(crate) fn off() -> Capability {
        Capability::off(NAME, "RESEND_API_KEY is not set")
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
