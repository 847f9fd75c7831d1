//! Mail providers: who takes a mail and brings it to its recipient.

use crate::domain::message::{Mail, Receipt};

pub mod mailbox;

/// The provider that this process hands its mail to.
pub enum Provider {
    /// The local mailbox: keeps mail, sends none out.
    Mailbox(mailbox::Mailbox),
}

/// Why a provider has not taken a mail.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It did not answer, or not now. It may have taken the mail all the same.
    #[error("the mail provider does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never take this mail.
    #[error("the mail provider refused the message")]
    Refused {
        /// Its reason, in words for operators; nothing personal.
        reason: String,
    },
}

impl Provider {
    /// Hands a mail over. The message's id is the idempotency key: however often a mail is handed over, the provider
    /// takes it once, and answers with the same receipt each time.
    pub async fn deliver(&self, mail: &Mail) -> Result<Receipt, DeliveryError> {
        match self {
            Self::Mailbox(mailbox) => mailbox.deliver(mail).await,
        }
    }
}
