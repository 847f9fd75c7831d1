//! Mail providers: they take a mail and deliver it to its recipient.

use std::{error::Error, time::Duration};

use anyhow::Context;
use levqor_runtime::db::Db;

use crate::{
    config::mail::{MailConfig, ProviderName},
    domain::{
        delivery::{Candidate, KeyMemory},
        message::{Mail, Receipt},
        pace::Rate,
        reply::ReplyClass,
    },
    mail_health::MailHealth,
};

pub mod mailbox;
pub mod resend;
pub mod smtp;

/// The providers that this process hands its mail to, in the order in which they are tried.
pub(crate) struct Providers(Vec<Placed>);

/// A provider of the list `Providers`, with its rate and its health.
pub(crate) struct Placed {
    pub(crate) provider: Provider,
    /// How fast it gets mail.
    pub(crate) rate: Rate,
    /// Whether it accepts our mail in general.
    pub(crate) health: MailHealth,
}

/// A provider.
pub enum Provider {
    /// The local mailbox: it stores mail and sends none.
    Mailbox(mailbox::Mailbox),
    /// Resend, or another server with Resend's API.
    Resend(resend::Resend),
    /// An SMTP server.
    Smtp(smtp::Smtp),
}

/// The provider's answer when a mail is handed over.
#[derive(Debug)]
pub enum Answer {
    /// The provider took the mail. While it remembers the key, it repeats this answer for the same key.
    Accepted(Receipt),
    /// It will never take this mail.
    Refused(Refusal),
    /// It certainly did not take the mail, and may take the mail later.
    NotAccepted(Trouble),
    /// It refuses all our mail: it refuses the login or the sender's domain. So it certainly did not take this mail.
    Unauthorised(Trouble),
    /// It may have taken the mail.
    Ambiguous(Trouble),
    /// It knows the key from a different request. Another attempt would get the same answer.
    KeyTaken(Trouble),
}

/// Why a provider will never take a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A text for operators. It contains no personal data and no text of the provider.
    pub reason: String,
    /// The refusal's finding about the recipient, if it is the reply of a mail server to the recipient or to the mail.
    pub class: Option<ReplyClass>,
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
    /// A `Trouble` without a cause.
    #[must_use]
    pub const fn new(what: String) -> Self {
        Self { what, retry_after: None, source: None }
    }

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
            Self::Smtp(_) => smtp::Smtp::NAME,
        }
    }

    /// Identifies the account at this address, in one word. Idempotency keys are valid within one identity.
    #[must_use]
    pub fn identity(&self) -> &str {
        match self {
            Self::Mailbox(_) => mailbox::Mailbox::NAME,
            Self::Resend(resend) => resend.identity(),
            Self::Smtp(smtp) => smtp.identity(),
        }
    }

    /// How long the provider remembers an idempotency key.
    #[must_use]
    pub fn key_memory(&self) -> KeyMemory {
        match self {
            Self::Mailbox(_) => KeyMemory::ForGood,
            Self::Resend(resend) => resend.key_memory(),
            Self::Smtp(_) => smtp::Smtp::KEY_MEMORY,
        }
    }

    /// Hands a mail over once. The caller decides whether the mail may be handed over again.
    pub async fn deliver(&self, mail: &Mail) -> Answer {
        match self {
            Self::Mailbox(mailbox) => mailbox.deliver(mail).await,
            Self::Resend(resend) => resend.deliver(mail).await,
            Self::Smtp(smtp) => smtp.deliver(mail).await,
        }
    }
}

impl Providers {
    /// The providers of the settings.
    pub(crate) fn try_new(config: &MailConfig, db: &Db) -> anyhow::Result<Self> {
        let placed = |name: &ProviderName| Placed::try_new(*name, config, db);
        let mut placed = config.order.iter().map(placed).collect::<anyhow::Result<Vec<_>>>()?;
        if placed.is_empty() {
            placed.push(Placed::try_new(ProviderName::Mailbox, config, db)?);
        }
        Ok(Self(placed))
    }

    /// All of them, in order. There is at least one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.0.iter()
    }

    /// The provider at this position of the list.
    pub(crate) fn at(&self, place: usize) -> Option<&Placed> {
        self.0.get(place)
    }

    /// Resend, if it is one of them.
    pub(crate) fn resend(&self) -> Option<(&Placed, &resend::Resend)> {
        self.iter().find_map(|placed| match &placed.provider {
            Provider::Resend(resend) => Some((placed, resend)),
            Provider::Mailbox(_) | Provider::Smtp(_) => None,
        })
    }

    /// How long the provider with this identity remembers an idempotency key; `KeyMemory::NONE` if no provider has the identity.
    pub(crate) fn key_memory(&self, identity: &str) -> KeyMemory {
        let mut candidates = self.iter().map(Placed::candidate);
        let found = candidates.find(|candidate| candidate.identity == identity);
        found.map_or(KeyMemory::NONE, |candidate| candidate.memory)
    }

    /// The properties of the providers that the delivery rules need.
    pub(crate) fn candidates(&self) -> Vec<Candidate<'_>> {
        self.iter().map(Placed::candidate).collect()
    }
}

impl Placed {
    fn candidate(&self) -> Candidate<'_> {
        Candidate { identity: self.provider.identity(), memory: self.provider.key_memory() }
    }

    fn try_new(name: ProviderName, config: &MailConfig, db: &Db) -> anyhow::Result<Self> {
        Ok(match name {
            ProviderName::Mailbox => {
                tracing::warn!(
                    "mail is stored in the local mailbox and reaches nobody: no provider that sends mail is set up"
                );
                let provider = Provider::Mailbox(mailbox::Mailbox::new(db.clone()));
                Self { provider, rate: Rate::UNLIMITED, health: MailHealth::new("mail_mailbox", "", "") }
            }
            ProviderName::Resend => {
                let key = config.resend_key.clone().context("RESEND_API_KEY is not set")?;
                let resend = resend::Resend::try_new(key, &config.resend_base, config.resend_key_hours);
                let provider = Provider::Resend(resend.context("make the client of Resend's API")?);
                let health = MailHealth::new("mail_resend", "RESEND_API_KEY", "RESEND_API_BASE");
                Self { provider, rate: config.resend_rate, health }
            }
            ProviderName::Smtp => {
                let url = config.smtp_url.as_ref().context("SMTP_URL is not set")?;
                let smtp = smtp::Smtp::try_new(url, config.smtp_ca.as_deref());
                let provider = Provider::Smtp(smtp.context("make the client of the SMTP server")?);
                Self {
                    provider,
                    rate: config.smtp_rate,
                    health: MailHealth::new("mail_smtp", "the login of SMTP_URL", "SMTP_URL"),
                }
            }
        })
    }
}
