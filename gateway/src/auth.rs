//! Identifies the caller by a verified token only. The gateway accepts the tokens of people, and no service tokens.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use levqor_runtime::{
    context::Actor,
    error::{ErrorCode, ServiceError},
    metrics::Metrics,
    refusals::Refusals,
    summed::Summed,
    token::UserTokens,
};

use crate::problem::Problem;

/// The caller, and the header that proves who it is. The header is passed on unchanged.
pub(crate) struct Caller {
    /// Anonymous, or a person; never a service.
    pub actor: Actor,
    /// The header.
    pub authorization: Option<HeaderValue>,
}

/// Verifies callers.
pub(crate) struct Auth {
    users: UserTokens,
    refusals: Refusals<&'static str>,
    /// Combines log lines: while the keys are unavailable, every request with a token would write one.
    keys_unavailable: Summed<&'static str>,
}

impl Auth {
    /// Verifies the tokens of users with these keys.
    #[must_use]
    pub(crate) fn new(users: UserTokens, metrics: &Metrics) -> Self {
        let keys_unavailable = Summed::new(Duration::from_secs(1), |reason, count| {
            tracing::warn!(reason, count, "users' tokens cannot be verified");
        });
        Self { users, refusals: Refusals::new(metrics), keys_unavailable }
    }

    /// Who is calling. A token that was sent must be valid, even if the route needs none: otherwise a client would not notice
    /// that its tokens are wrong.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(Caller { actor: Actor::Anonymous, authorization: None });
        };
        let (None, Some(token)) = (values.next(), bearer(value)) else {
            return Err(Problem::new(
                ErrorCode::Unauthenticated,
                "TOKEN_INVALID",
                "send one Authorization header: `Bearer` and a token",
            ));
        };
        match self.users.verify(token).await {
            Ok(user) => {
                let mut authorization = value.clone();
                authorization.set_sensitive(true);
                Ok(Caller { actor: Actor::User(user), authorization: Some(authorization) })
            }
            Err(error) => {
                if error.code() == ErrorCode::Unavailable {
                    tracing::debug!(error = &error as &dyn std::error::Error, "cannot verify a user's token");
                    self.refusals.note(error.reason(), error.reason());
                    self.keys_unavailable.note(error.reason(), error.reason());
                }
                Err(Problem::from_error(&error))
            }
        }
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
