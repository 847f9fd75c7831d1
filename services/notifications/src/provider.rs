//! Mail providers: who takes a mail and brings it to its recipient.

use std::{error::Error, time::Duration};

use crate::domain::{
    delivery::KeyMemory,
    message::{Mail, Receipt},
};

pub mod mailbox;
pub mod resend;

/// The provider that this process hands its mail to.
pub enum Provider {
    /// The local mailbox: keeps mail, sends none out.
    Mailbox(mailbox::Mailbox),
    /// Resend, or whoever speaks its API.
    Resend(resend::Resend),
}

/// What became of handing a mail over.
#[derive(Debug)]
pub enum Answer {
    /// The provider took it; however often it is asked under the same key, this is its answer while it knows the key.
    Accepted(Receipt),
    /// It will never take this mail; the reason is for operators and holds nothing personal.
    Refused(String),
    /// It certainly did not take the mail, and may take it later.
    NotAccepted(Trouble),
    /// It takes no mail of ours (401, 403), and so certainly not this one: it refuses the key, or the sender's domain.
    Unauthorised(Trouble),
    /// It may have taken the mail.
    Ambiguous(Trouble),
    /// It knows the key from a request that was not the same: asking again never tells more.
    KeyTaken(Trouble),
}

/// Why a provider has not said that it took a mail.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// In words for operators; nothing personal, and nothing of the provider's own text.
    pub what: String,
    /// When the provider wants to be asked again, where it says so.
    pub retry_after: Option<Duration>,
    /// What is behind it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Trouble {
    /// Trouble, with what is behind it.
    pub fn because(what: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what: what.to_owned(), retry_after: None, source: Some(Box::new(source)) }
    }
}

impl Provider {
    /// Its name in receipts and attempts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mailbox(_) => mailbox::Mailbox::NAME,
            Self::Resend(_) => resend::Resend::NAME,
        }
    }

    /// Who knows the keys that it was given: the same name for the same account at the same address, in one word.
    #[must_use]
    pub fn identity(&self) -> &str {
        match self {
            Self::Mailbox(_) => mailbox::Mailbox::NAME,
            Self::Resend(resend) => resend.identity(),
        }
    }

    /// For how long it knows an idempotency key again.
    #[must_use]
    pub fn key_memory(&self) -> KeyMemory {
        match self {
            Self::Mailbox(_) => KeyMemory::ForGood,
            Self::Resend(resend) => resend.key_memory(),
        }
    }

    /// Hands a mail over, once: whether it may be handed over again is for the caller to decide.
    pub async fn deliver(&self, mail: &Mail) -> Answer {
        match self {
            Self::Mailbox(mailbox) => mailbox.deliver(mail).await,
            Self::Resend(resend) => resend.deliver(mail).await,
        }
    }
}
