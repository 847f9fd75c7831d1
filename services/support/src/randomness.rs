//! Random bytes of the operating system, for tokens that cannot be guessed.

use levqor_runtime::db::DbError;
use ring::rand::{SecureRandom, SystemRandom};

use crate::domain::secret_token::SecretToken;

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], DbError> {
    let mut secret = [0; N];
    // The operating system gave no random bytes: nothing is written, and the call is tried again.
    let failed = |_| DbError::Unavailable(sqlx::Error::Configuration("no random bytes".into()));
    SystemRandom::new().fill(&mut secret).map_err(failed)?;
    Ok(secret)
}

/// A new token of a conversation or a link.
pub(crate) fn token() -> Result<SecretToken, DbError> {
    Ok(SecretToken::new(bytes()?))
}
