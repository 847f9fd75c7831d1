//! Why a call of Stripe's API failed. The texts contain nothing from Stripe's response, which may hold personal data.

use std::time::Duration;

use crate::domain::not_understood::NotUnderstood;

/// Why a call failed, by the caller's possible next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The call was not made: Stripe did not answer the calls before, or the rate budget is spent.
    #[error("Stripe is not called right now: {what}")]
    NotMade {
        /// Why.
        what: &'static str,
        /// When to try again.
        after: Duration,
    },
    /// No answer came, so it is unknown whether Stripe has executed the call. The same call may be made again with the same key.
    #[error("{0}")]
    Unknown(&'static str),
    /// The answer cannot be read, so it is unknown whether Stripe has executed the call. This does not count as an outage.
    #[error("Stripe's answer cannot be read")]
    Unreadable,
    /// Stripe answered with a failure of its own (5xx). It keeps that answer for the call's idempotency key.
    #[error("Stripe answered {0}")]
    Failed(u16),
    /// Stripe has too many requests (429), or works on another one with this key (409). Nothing was done.
    #[error("Stripe answered {0}")]
    Limited(u16),
    /// Stripe rejects the key (401), or the key lacks the permission (403). Another key may help.
    #[error("Stripe answered {0}")]
    NotAllowed(u16),
    /// Stripe refuses the request. Nothing was done, and a retry cannot help.
    #[error("Stripe refuses the request")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's name of the error.
        code: Option<String>,
    },
}

/// Why an object could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// A retry may help.
    #[error("{0}")]
    Temporary(String),
    /// Stripe rejects the key (401), or the key lacks the permission (403). Another key may help.
    #[error("Stripe answered {0}")]
    NotAllowed(u16),
    /// A retry cannot help.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
}

impl CallError {
    pub(super) fn read(error: &stripe::StripeError) -> Self {
        match error {
            stripe::StripeError::Stripe(_, status @ (401 | 403)) => Self::NotAllowed(*status),
            stripe::StripeError::Stripe(_, status @ (409 | 424 | 429)) => Self::Limited(*status),
            stripe::StripeError::Stripe(_, status @ 500..) => Self::Failed(*status),
            stripe::StripeError::Stripe(refusal, status) => {
                Self::Refused { status: *status, code: refusal.code.as_ref().map(ToString::to_string) }
            }
            stripe::StripeError::Timeout => Self::Unknown("Stripe did not answer in time"),
            stripe::StripeError::ClientError(_) => Self::Unknown("Stripe cannot be reached"),
            stripe::StripeError::JSONDeserialize(_) => Self::Unreadable,
            stripe::StripeError::ConfigError(_) => Self::Unknown("the Stripe client is misconfigured"),
        }
    }

    /// Whether the failure shows that Stripe does not answer: the circuit counts such failures.
    pub(super) const fn is_outage(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Failed(_) => true,
            Self::NotMade { .. }
            | Self::Unreadable
            | Self::Limited(_)
            | Self::NotAllowed(_)
            | Self::Refused { .. } => false,
        }
    }

    /// Whether Stripe has done nothing and never will.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether Stripe gives this answer again for the same idempotency key, so that a further try needs another one. Without an answer
    /// the same key finds what Stripe may have made. <https://docs.stripe.com/api/idempotent_requests>
    pub(crate) const fn is_kept_for_key(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Failed(_))
    }

    /// Stripe's name of the refusal, for operators: `resource_missing`, or the HTTP status.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Refused { code: Some(code), .. } => code.clone(),
            Self::Refused { status, .. } => format!("HTTP {status}"),
            other => other.to_string(),
        }
    }
}

/// Only 404 is final. Any other failure may pass: a rate limit, an outage, a key that was just rolled.
impl From<CallError> for FetchError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { status: 404, .. } => NotUnderstood::Gone.into(),
            CallError::Refused { status, .. } => Self::Temporary(format!("Stripe answered {status}")),
            CallError::NotAllowed(status) => Self::NotAllowed(status),
            CallError::Unknown("Stripe did not answer in time") => {
                Self::Temporary("Stripe did not answer within 10 seconds".to_owned())
            }
            // While the circuit is open, Stripe cannot be reached either.
            CallError::NotMade { .. } => Self::Temporary("Stripe cannot be reached".to_owned()),
            other => Self::Temporary(other.to_string()),
        }
    }
}

/// The result of a failed call, for its span.
pub(super) fn in_short(error: &stripe::StripeError) -> Result<u16, &'static str> {
    match error {
        stripe::StripeError::Stripe(_, status) => Ok(*status),
        stripe::StripeError::Timeout => Err("timeout"),
        stripe::StripeError::ClientError(_) => Err("connect"),
        stripe::StripeError::JSONDeserialize(_) => Err("answer"),
        stripe::StripeError::ConfigError(_) => Err("configuration"),
    }
}
