//! Whether the mail provider takes our key, as its last answers to this process said. A key that is refused is shown at the
//! first refusal: no mail goes out until somebody mends it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

use crate::provider::{Answer, Trouble};

/// The capability of mail that goes out.
const NAME: &str = "mail_resend";

/// The refusal that no accepted mail has followed yet.
#[derive(Debug, Clone)]
struct Refusal {
    /// The status and name that the provider gave.
    what: String,
    time: DateTime<Utc>,
}

/// What is known of the provider.
#[derive(Debug, Default)]
pub(crate) struct MailHealth {
    refusal: Mutex<Option<Refusal>>,
}

impl MailHealth {
    /// Notes what the provider's answer says about our key, and logs what changed. Only an accepted mail ends a refusal: a
    /// timeout or a rate limit says nothing about the key.
    pub(crate) fn answered(&self, answer: &Answer, now: DateTime<Utc>) {
        match answer {
            Answer::Unauthorised(Trouble { what, .. }) => {
                let before = self.refusal().replace(Refusal { what: what.clone(), time: now });
                if before.is_none_or(|before| before.what != *what) {
                    tracing::warn!(
                        reason = what,
                        "the mail provider refuses RESEND_API_KEY: no mail goes out"
                    );
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
                let why =
                    format!("the provider at RESEND_API_BASE answered {what}: it refuses RESEND_API_KEY");
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
