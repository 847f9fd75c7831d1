//! Tokens: users' JWTs, verified against a shared secret or a JWKS, and the short-lived tokens of services.
//!
//! The two cannot be confused: they are signed by different keys, and a service token says so in its header (`typ`,
//! RFC 8725, 3.11). Algorithms are pinned by the key, never taken from the token.

mod claims;
mod header;
mod jwks;
mod service;
mod user;

pub use jwks::JwksUrl;
pub use service::{MeshKeys, ServiceTokens};
pub use user::{UserTokens, UserTokensConfig, longest_user_token, sign_with_secret};

use chrono::TimeDelta;

use self::header::{Header, Kind};
use crate::service_error;

/// The header type of service tokens.
const SERVICE_TYP: &str = "levqor-service+jwt";
/// How far clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

service_error! {
    /// Why a token is not accepted. The texts say what a client may know.
    #[derive(Debug, thiserror::Error)]
    pub enum TokenError {
        /// Not a token, or not signed by a key we trust, or not for us.
        #[error("the token is not valid")]
        Invalid(#[source] jsonwebtoken::errors::Error) => Unauthenticated "TOKEN_INVALID",
        /// The token's algorithm is not the one that its key is for.
        #[error("the token is not valid")]
        Algorithm => Unauthenticated "TOKEN_INVALID",
        /// The key that signed it is not among the keys of the JWKS.
        #[error("the token is not valid")]
        UnknownKey => Unauthenticated "TOKEN_INVALID",
        /// Its header is malformed, or needs an extension that nobody here understands.
        #[error("the token is not valid")]
        Header => Unauthenticated "TOKEN_INVALID",
        /// It names nobody, or somebody whose name cannot be stored.
        #[error("the token does not name its subject in a usable form")]
        Subject => Unauthenticated "TOKEN_INVALID",
        /// It would be good for longer than tokens may be.
        #[error("the token lives for longer than is accepted here")]
        LivesTooLong => Unauthenticated "TOKEN_LIVES_TOO_LONG",
        /// It was valid once, or will be.
        #[error("the token has expired or is not valid yet")]
        Expired => Unauthenticated "TOKEN_EXPIRED",
        /// A token of the other kind.
        #[error("this kind of token is not accepted here")]
        WrongKind => Unauthenticated "TOKEN_KIND",
        /// The identity provider's keys cannot be fetched.
        #[error("tokens cannot be verified right now")]
        KeysUnavailable(#[source] Option<reqwest::Error>) => Unavailable "TOKEN_KEYS_UNAVAILABLE",
    }
}

/// Whether the token calls itself a service token; what it is, its signature decides.
pub(crate) fn is_service_token(token: &str) -> Result<bool, TokenError> {
    Ok(Header::read(token)?.kind == Kind::Service)
}
