//! Tokens: users' JWTs, verified against a shared secret or a JWKS, and the short-lived tokens of services. The two kinds cannot be
//! confused: different keys sign them, and the `typ` differs (RFC 8725, 3.11). The key decides the algorithm, never the token.

mod claims;
mod form;
mod header;
mod jwks;
mod service;
mod user;

pub use form::FormTokens;
pub use jwks::JwksUrl;
pub(crate) use service::OUTSIDER;
pub use service::{MeshKeys, ServiceTokens};
pub use user::{UserTokens, UserTokensConfig, longest_user_token, sign_with_secret};

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, Validation};

use self::header::{Header, Kind};
use crate::service_error;

const SERVICE_TYP: &str = "levqor-service+jwt";
/// The allowed difference between clocks.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

service_error! {
    /// Why a token is not accepted. The texts contain only facts that a client may see.
    #[derive(Debug, thiserror::Error)]
    pub enum TokenError {
        /// It is not a token, its key is not trusted, or it is for another audience.
        #[error("the token is not valid")]
        Invalid(#[source] jsonwebtoken::errors::Error) => Unauthenticated "TOKEN_INVALID",
        /// The token's algorithm differs from its key's algorithm.
        #[error("the token is not valid")]
        Algorithm => Unauthenticated "TOKEN_INVALID",
        /// The JWKS does not have the key that signed it.
        #[error("the token is not valid")]
        UnknownKey => Unauthenticated "TOKEN_INVALID",
        /// Its header is malformed, or requires an extension that we do not support.
        #[error("the token is not valid")]
        Header => Unauthenticated "TOKEN_INVALID",
        /// It has no subject, or its subject cannot be stored.
        #[error("the token does not name its subject in a usable form")]
        Subject => Unauthenticated "TOKEN_INVALID",
        /// Its lifetime is longer than the limit.
        #[error("the token has a longer lifetime than is accepted here")]
        LivesTooLong => Unauthenticated "TOKEN_LIVES_TOO_LONG",
        /// It has expired, or is not valid yet.
        #[error("the token has expired or is not valid yet")]
        Expired => Unauthenticated "TOKEN_EXPIRED",
        /// It is a token of the wrong kind.
        #[error("this kind of token is not accepted here")]
        WrongKind => Unauthenticated "TOKEN_KIND",
        /// The identity provider's keys cannot be fetched.
        #[error("tokens cannot be verified right now")]
        KeysUnavailable(#[source] Option<reqwest::Error>) => Unavailable "TOKEN_KEYS_UNAVAILABLE",
    }
}

/// Whether the token claims to be a service token. Only its signature proves it.
pub(crate) fn is_service_token(token: &str) -> Result<bool, TokenError> {
    Ok(Header::read(token)?.kind == Kind::Service)
}

/// The claims that the library verifies, beside the signature. `claims::Life` checks the time by the mesh's clock, which tests can change.
fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "sub", "aud"]);
    validation.validate_exp = false;
    validation
}
