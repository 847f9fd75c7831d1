//! Whether the mail provider takes mail of ours at all, as its last answers to this process said. It may refuse the key, or
//! the sender's domain. Either is shown at the first refusal: no mail goes out until somebody mends it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

use crate::provider::{Answer, Trouble};

/// The capability of mail that goes out.
const NAME: &str = "mail_resend";

/// The last refusal, until a mail is accepted again.
#[derive(Debug, Clone)]
struct Refusal {
    /// The status and name that the provider gave.
    what: String,
    time: DateTime<Utc>,
}

impl Refusal {
    /// What the provider says by it. Resend answers 401 for a key that it refuses, and 403 also for a domain that is not
    /// verified and for an account that may only write to its owner.
    fn meaning(what: &str) -> &'static str {
        if what.starts_with("401") || what.ends_with("api_key") {
            "it refuses RESEND_API_KEY"
        } else {
            "it takes no mail of ours"
        }
    }
}

/// What is known of the provider.
#[derive(Debug, Default)]
pub(crate) struct MailHealth {
    refusal: Mutex<Option<Refusal>>,
}

impl MailHealth {
    /// Notes whether the provider's answer refuses all mail of ours, and logs what changed. Only an accepted mail ends a
    /// refusal: a timeout or a rate limit says nothing about the key or the domain.
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

    /// Whether mail goes out, and how.
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

    /// Without a provider.
    pub(crate) fn off() -> Capability {
        Capability::off(NAME, "RESEND_API_KEY is not set")
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
