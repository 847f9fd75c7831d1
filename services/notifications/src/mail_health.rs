//! Whether the mail provider accepts our mail in general, judged by its last answers to this process. It may refuse the API key
//! or the sender's domain. The first refusal of that kind shows at once: no mail is sent until a person fixes the cause.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

use crate::provider::{Answer, Trouble};

/// The last refusal of all mail. An accepted mail clears it.
#[derive(Debug, Clone)]
struct Refusal {
    /// The provider's status and error name.
    what: String,
    time: DateTime<Utc>,
}

/// The health of one provider, shared by the deliveries of this process.
#[derive(Debug)]
pub(crate) struct MailHealth {
    /// The name of the capability to send mail through it.
    name: &'static str,
    /// The setting with our login there.
    login: &'static str,
    /// The setting with its address.
    address: &'static str,
    refusal: Mutex<Option<Refusal>>,
}

impl MailHealth {
    /// The health of a provider with this capability and these settings.
    pub(crate) const fn new(name: &'static str, login: &'static str, address: &'static str) -> Self {
        Self { name, login, address, refusal: Mutex::new(None) }
    }

    /// The meaning of a refusal. Resend answers 401 for a refused key. It answers 403 for a refused key too, for a domain that is not
    /// verified, and for an account that may write only to its owner. An SMTP server answers 530 and 535 for a login.
    fn meaning(&self, what: &str) -> String {
        let is_login = ["401", "530", "535"].iter().any(|status| what.starts_with(status));
        if is_login || what.ends_with("api_key") {
            format!("it refuses {}", self.login)
        } else {
            "it takes no mail of ours".to_owned()
        }
    }

    /// Notes whether the answer refuses all our mail, and logs a change. Only an accepted mail ends a refusal: a timeout or a
    /// rate limit says nothing about the key or the domain.
    pub(crate) fn answered(&self, answer: &Answer, now: DateTime<Utc>) {
        match answer {
            Answer::Unauthorised(Trouble { what, .. }) => {
                let before = self.refusal().replace(Refusal { what: what.clone(), time: now });
                if before.is_none_or(|before| before.what != *what) {
                    let reason = format!("{what}: {}", self.meaning(what));
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
            None => Capability::on(self.name, how),
            Some(Refusal { what, time }) => {
                let why = format!("the provider at {} answered {what}: {}", self.address, self.meaning(what));
                Capability::failed(self.name, why).measured_at(*time)
            }
        }
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
