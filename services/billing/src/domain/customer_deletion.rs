//! The end of a customer at Stripe, after the erasure of a person: the deletion, and then a redaction, if one is made.

use levqor_runtime::typed_id;
use uuid::Uuid;

use super::stripe_id::StripeId;

typed_id!(pub(crate) CustomerDeletionId, "a deletion of a customer");
typed_id!(pub(crate) CustomerRedactionId, "a redaction of a customer");

/// A customer that Stripe is asked to redact.
#[derive(Clone)]
pub(crate) struct Redaction {
    pub(crate) id: CustomerRedactionId,
    pub(crate) erasure_id: Uuid,
    pub(crate) customer: StripeId,
    /// `None` until Stripe has taken the job.
    pub(crate) job: Option<StripeId>,
    /// How often it was asked for.
    pub(crate) attempts: i32,
}

impl Redaction {
    /// The idempotency key of a request about it. A request that was refused needs another key.
    pub(crate) fn stripe_key(&self, what: &str) -> String {
        format!("levqor-redaction-{}-{}-{what}", self.id, self.attempts)
    }
}

/// The next step of a redaction job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Stripe is at work.
    Wait,
    /// Everything can be redacted: the job is started.
    Run,
    /// Something cannot be redacted yet: Stripe looks again.
    Validate,
    /// The job cannot be used any more: another one is made.
    Another,
    /// Everything is redacted.
    Done,
}

impl Next {
    /// By the state that Stripe gives the job.
    pub(crate) fn after(status: &str) -> Self {
        match status {
            "succeeded" => Self::Done,
            "ready" => Self::Run,
            "failed" => Self::Validate,
            "canceled" => Self::Another,
            // `validating`, `redacting`, `canceling`, and whatever Stripe adds.
            _ => Self::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_continues_until_everything_is_redacted() {
        for (status, next) in [
            ("validating", Next::Wait),
            ("ready", Next::Run),
            ("redacting", Next::Wait),
            ("failed", Next::Validate),
            ("canceled", Next::Another),
            ("succeeded", Next::Done),
            ("something new", Next::Wait),
        ] {
            assert_eq!(Next::after(status), next, "{status}");
        }
    }
}
