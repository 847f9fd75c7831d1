//! A question to the language model, and the outcome of it.

use std::time::Duration;

use levqor_runtime::{typed_id, wire_enum};

typed_id!(pub(crate) ModelCallId, "a question to the language model");

wire_enum! {
    /// The outcome of a question to the model. Customers read the model's text only with `Answered`.
    pub(crate) enum ModelOutcome {
        /// The answer holds.
        Answered = "ANSWERED",
        /// The model found no answer in the passages.
        NoAnswer = "NO_ANSWER",
        /// A statement is not in the passages.
        Unsupported = "UNSUPPORTED",
        /// The model refused to answer.
        Refused = "REFUSED",
        /// The answer is empty.
        Empty = "EMPTY",
        /// The answer ended before its end: it had too many tokens, or the connection broke.
        Cut = "CUT",
        /// The answer cannot be read.
        Malformed = "MALFORMED",
        /// The server refuses the key.
        Unauthorised = "UNAUTHORISED",
        /// There were too many requests, or the account is used up.
        RateLimited = "RATE_LIMITED",
        /// The server refuses the request.
        Rejected = "REJECTED",
        /// The server failed.
        ServerFailed = "SERVER_FAILED",
        /// There was no answer in time.
        TimedOut = "TIMED_OUT",
        /// No connection could be made.
        Unreachable = "UNREACHABLE",
    }
}

impl ModelOutcome {
    /// Whether the model did its work, whether or not it had an answer.
    pub(crate) const fn is_working(self) -> bool {
        matches!(self, Self::Answered | Self::NoAnswer | Self::Unsupported | Self::Refused)
    }

    /// Whether a setting is wrong, so that no question is answered until a person corrects it.
    pub(crate) const fn is_misconfigured(self) -> bool {
        matches!(self, Self::Unauthorised | Self::Rejected)
    }
}

/// A question to the model.
#[derive(Debug, Clone)]
pub(crate) struct ModelCall {
    pub(crate) outcome: ModelOutcome,
    /// How many tokens the server counted: read, and written. 0 if it did not say.
    pub(crate) tokens: Tokens,
    pub(crate) took: Duration,
}

/// How many tokens a call had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) read: u32,
    pub(crate) written: u32,
}
