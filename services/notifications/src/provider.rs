//! Mail providers: they take a mail and deliver it to its recipient.

use std::{error::Error, time::Duration};

use crate::domain::{
    delivery::KeyMemory,
    message::{Mail, Receipt},
};

pub mod mailbox;
pub mod resend;

/// The provider that this process hands its mail to.
pub enum Provider {
    /// The local mailbox: it stores mail and sends none.
    Mailbox(mailbox::Mailbox),
    /// Resend, or another server with Resend's API.
    Resend(resend::Resend),
}

/// The provider's answer when a mail is handed over.
#[derive(Debug)]
pub enum Answer {
    /// The provider took the mail. While it remembers the key, it repeats this answer for the same key.
    Accepted(Receipt),
    /// It will never take this mail. The reason is for operators and contains no personal data.
    Refused(String),
    /// It certainly did not take the mail, and may take the mail later.
    NotAccepted(Trouble),
    /// It refuses all our mail (401, 403): it refuses the API key or the sender's domain. So it certainly did not take this mail.
    Unauthorised(Trouble),
    /// It may have taken the mail.
    Ambiguous(Trouble),
    /// It knows the key from a different request. Another attempt would get the same answer.
    KeyTaken(Trouble),
}

/// Why a provider has not said that it took a mail.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// A text for operators. It contains no personal data and no text of the provider.
    pub what: String,
    /// How long the provider wants us to wait before the next attempt, if it says so.
    pub retry_after: Option<Duration>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Trouble {
    /// A `Trouble` with a cause.
    pub fn because(what: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what: what.to_owned(), retry_after: None, source: Some(Box::new(source)) }
    }
}

impl Provider {
    /// The provider's name in receipts and attempts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mailbox(_) => mailbox::Mailbox::NAME,
            Self::Resend(_) => resend::Resend::NAME,
        }
    }

    /// Identifies the account at this address, in one word. Idempotency keys are valid within one identity.
    #[must_use]
    pub fn identity(&self) -> &str {
        match self {
            Self::Mailbox(_) => mailbox::Mailbox::NAME,
            Self::Resend(resend) => resend.identity(),
        }
    }

    /// How long the provider remembers an idempotency key.
    #[must_use]
    pub fn key_memory(&self) -> KeyMemory {
        match self {
            Self::Mailbox(_) => KeyMemory::ForGood,
            Self::Resend(resend) => resend.key_memory(),
        }
    }

    /// Hands a mail over once. The caller decides whether the mail may be handed over again.
    pub async fn deliver(&self, mail: &Mail) -> Answer {
        match self {
            Self::Mailbox(mailbox) => mailbox.deliver(mail).await,
            Self::Resend(resend) => resend.deliver(mail).await,
        }
    }
}
