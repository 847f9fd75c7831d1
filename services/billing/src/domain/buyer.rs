//! The person who buys: a signed-in user, and their mail address.

use levqor_runtime::{
    context::{Actor, User},
    email::Email,
};

/// A signed-in user.
#[derive(Clone)]
pub(crate) struct Buyer(User);

/// The caller has no address that the identity provider has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verify your mail address first: receipts and notices go there")]
pub(crate) struct EmailNotVerified;

impl Buyer {
    /// The caller, if it is a person.
    pub(crate) fn of(actor: &Actor) -> Option<Self> {
        match actor {
            Actor::User(user) => Some(Self(user.clone())),
            Actor::Anonymous | Actor::Service(_) => None,
        }
    }

    /// The identity provider's id.
    pub(crate) fn sub(&self) -> &str {
        &self.0.sub
    }

    /// The address, if it is verified and may claim.
    pub(crate) fn verified_email(&self) -> Option<&Email> {
        self.0.email.as_ref().filter(|email| self.0.email_verified && email.may_claim())
    }

    /// The address that receipts go to.
    pub(crate) fn email(&self) -> Result<Email, EmailNotVerified> {
        self.verified_email().cloned().ok_or(EmailNotVerified)
    }
}
