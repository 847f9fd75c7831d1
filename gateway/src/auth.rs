//! Who is calling, by a verified token only. The edge knows people; the mesh's own tokens mean nothing here.

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

/// The caller, and the header that proves it, to be passed on as it came.
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
    /// While the keys are away, every request with a token is one.
    keys_away: Summed<&'static str>,
}

impl Auth {
    /// With these keys.
    #[must_use]
    pub(crate) fn new(users: UserTokens, metrics: &Metrics) -> Self {
        let keys_away = Summed::new(Duration::from_secs(1), |reason, count| {
            tracing::warn!(reason, count, "users' tokens cannot be verified");
        });
        Self { users, refusals: Refusals::new(metrics), keys_away }
    }

    /// Who is calling. A token that is there must be good, even where none is needed: silence would hide a mistake.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(Caller { actor: Actor::Anonymous, authorization: None });
        };
        let (None, Some(token)) = (values.next(), bearer(value)) else {
            return Err(Problem::new(
                ErrorCode::Unauthenticated,
                "TOKEN_INVALID",
                "the Authorization header must be `Bearer` and a token, once",
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
                    self.keys_away.note(error.reason(), error.reason());
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
