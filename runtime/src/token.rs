//! Tokens: users' JWTs, verified against a shared secret or a JWKS, and the short-lived tokens of services.
//!
//! The two cannot be confused: they are signed by different keys, and a service token says so in its header (`typ`,
//! RFC 8725, 3.11). Algorithms are pinned by the key, never taken from the token.

mod jwks;
mod service;
mod user;

pub use jwks::JwksUrl;
pub use service::{MeshKeys, ServiceTokens};
pub use user::{UserTokens, UserTokensConfig, sign_with_secret};

use crate::error::{ErrorCode, ServiceError};

/// The header type of service tokens.
const SERVICE_TYP: &str = "levqor-service+jwt";
/// How far clocks may differ.
const LEEWAY_S: i64 = 30;

/// Why a token is not accepted. The texts say what a client may know.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or not signed by a key we trust, or not for us.
    #[error("the token is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// The token's algorithm is not the one that its key is for.
    #[error("the token is not valid")]
    Algorithm,
    /// The key that signed it is not among the keys of the JWKS.
    #[error("the token is not valid")]
    UnknownKey,
    /// It was valid once, or will be.
    #[error("the token has expired or is not valid yet")]
    Expired,
    /// A token of the other kind.
    #[error("this kind of token is not accepted here")]
    WrongKind,
    /// The identity provider's keys cannot be fetched.
    #[error("tokens cannot be verified right now")]
    KeysUnavailable(#[source] Option<reqwest::Error>),
}

impl ServiceError for TokenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::KeysUnavailable(_) => ErrorCode::Unavailable,
            Self::Invalid(_) | Self::Algorithm | Self::UnknownKey | Self::Expired | Self::WrongKind => {
                ErrorCode::Unauthenticated
            }
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::KeysUnavailable(_) => "TOKEN_KEYS_UNAVAILABLE",
            Self::Expired => "TOKEN_EXPIRED",
            Self::WrongKind => "TOKEN_KIND",
            Self::Invalid(_) | Self::Algorithm | Self::UnknownKey => "TOKEN_INVALID",
        }
    }
}

/// Whether the token calls itself a service token; what it is, its signature decides.
pub(crate) fn is_service_token(token: &str) -> Result<bool, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(TokenError::Invalid)?;
    Ok(header.typ.as_deref() == Some(SERVICE_TYP))
}
