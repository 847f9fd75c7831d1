//! Service tokens: HS256 with the mesh's key, one minute long, for one callee.

use std::{collections::HashMap, sync::Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{LEEWAY_S, SERVICE_TYP, TokenError};
use crate::{
    clock::Clock,
    config::{Reader, Setting},
};

const ISSUER: &str = "levqor-mesh";
const LIFE: TimeDelta = TimeDelta::seconds(60);
/// A minted token is used again for this long.
const REUSE: TimeDelta = TimeDelta::seconds(20);
/// Verified tokens that are remembered at most: one per caller and `REUSE`, so there are far fewer.
const MOST_VERIFIED: usize = 64;

const MESH_KEY: Setting = Setting::secret(
    "LEVQOR_MESH_KEY",
    "Signs the tokens of calls between services: at least 32 characters. A comma-separated list: the first signs, all are accepted.",
);

/// The mesh's keys: the first signs, all are accepted.
pub struct MeshKeys(Vec<SecretString>);

impl MeshKeys {
    /// The setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![MESH_KEY]
    }

    /// Reads the setting. None only with a problem noted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let keys = reader.secrets(&MESH_KEY);
        if keys.is_empty() {
            reader.problem(&MESH_KEY, "is not set; expected a random text of at least 32 characters");
            return None;
        }
        if keys.iter().any(|key| key.expose_secret().len() < 32) {
            reader.problem(&MESH_KEY, "expected at least 32 characters in each key");
            return None;
        }
        Some(Self(keys))
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
}

impl Claims {
    fn fresh(&self, now: DateTime<Utc>) -> bool {
        let now = now.timestamp();
        self.exp > now - LEEWAY_S && self.iat < now + LEEWAY_S
    }
}

/// Caller and callee.
type Pair = (String, String);

/// Mints and verifies service tokens.
pub struct ServiceTokens {
    sign: EncodingKey,
    accept: Vec<DecodingKey>,
    clock: Clock,
    minted: Mutex<HashMap<Pair, (DateTime<Utc>, SecretString)>>,
    /// What tokens say that were found good: callers use each for many calls, and the signature costs more than the rest
    /// of admission. Whether they are still fresh is asked every time.
    verified: Mutex<HashMap<String, Claims>>,
}

impl ServiceTokens {
    /// With these keys. There is always one: `MeshKeys::read` saw to it.
    #[must_use]
    pub fn new(keys: &MeshKeys, clock: Clock) -> Self {
        let bytes = |key: &SecretString| key.expose_secret().as_bytes().to_vec();
        let first = keys.0.first().map(bytes).unwrap_or_default();
        Self {
            sign: EncodingKey::from_secret(&first),
            accept: keys.0.iter().map(|key| DecodingKey::from_secret(&bytes(key))).collect(),
            clock,
            minted: Mutex::default(),
            verified: Mutex::default(),
        }
    }

    /// A token that says `from` is calling `to`.
    pub fn mint(&self, from: &str, to: &str) -> Result<SecretString, TokenError> {
        let now = self.clock.now();
        let pair = (from.to_owned(), to.to_owned());
        let mut minted = self.minted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, token)) = minted.get(&pair)
            && *at <= now
            && now - *at < REUSE
        {
            return Ok(token.clone());
        }
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(SERVICE_TYP.to_owned());
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: pair.0.clone(),
            aud: pair.1.clone(),
            iat: now.timestamp(),
            exp: (now + LIFE).timestamp(),
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.sign).map_err(TokenError::Invalid)?;
        let token = SecretString::from(token);
        minted.insert(pair, (now, token.clone()));
        Ok(token)
    }

    /// The service that is calling `audience`, by a token that was found good before and still is.
    #[must_use]
    pub fn recall(&self, token: &str, audience: &str) -> Option<String> {
        let verified = self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let claims = verified.get(token)?;
        (claims.aud == audience && claims.fresh(self.clock.now())).then(|| claims.sub.clone())
    }

    fn remember(&self, token: &str, claims: &Claims) {
        let now = self.clock.now();
        let mut verified = self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if verified.len() >= MOST_VERIFIED {
            verified.retain(|_, claims| claims.fresh(now));
        }
        if verified.len() < MOST_VERIFIED {
            verified.insert(token.to_owned(), claims.clone());
        }
    }

    /// The service that is calling `audience`.
    pub fn verify(&self, token: &str, audience: &str) -> Result<String, TokenError> {
        if let Some(service) = self.recall(token, audience) {
            return Ok(service);
        }
        if !super::is_service_token(token)? {
            return Err(TokenError::WrongKind);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        // The mesh's clock decides, below: it can be moved in tests.
        validation.validate_exp = false;
        let mut failure = TokenError::UnknownKey;
        for key in &self.accept {
            match jsonwebtoken::decode::<Claims>(token, key, &validation) {
                Ok(data) if data.claims.fresh(self.clock.now()) => {
                    self.remember(token, &data.claims);
                    return Ok(data.claims.sub);
                }
                Ok(_) => return Err(TokenError::Expired),
                Err(error) => failure = TokenError::Invalid(error),
            }
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(keys: &[&str], clock: &Clock) -> ServiceTokens {
        let keys = keys.iter().map(|key| SecretString::from((*key).to_owned())).collect();
        ServiceTokens::new(&MeshKeys(keys), clock.clone())
    }

    const OLD: &str = "an old mesh key of thirty-two characters";
    const NEW: &str = "a new mesh key of thirty-two characters!";

    #[test]
    fn a_token_names_one_caller_and_one_callee_for_a_minute() {
        let clock = Clock::default();
        let tokens = tokens(&[NEW], &clock);
        let token = tokens.mint("gateway", "billing").expect("token");
        for _ in 0..2 {
            assert_eq!(tokens.verify(token.expose_secret(), "billing").expect("valid"), "gateway");
            assert!(tokens.verify(token.expose_secret(), "notifications").is_err());
        }
        clock.advance(TimeDelta::seconds(60 + LEEWAY_S + 1));
        assert!(matches!(tokens.verify(token.expose_secret(), "billing"), Err(TokenError::Expired)));
        assert!(
            tokens.verify(tokens.mint("gateway", "billing").expect("new").expose_secret(), "billing").is_ok()
        );
    }

    #[test]
    fn keys_rotate_without_a_refusal() {
        let clock = Clock::default();
        let (old, both, new) = (tokens(&[OLD], &clock), tokens(&[NEW, OLD], &clock), tokens(&[NEW], &clock));
        let by_old = old.mint("a", "b").expect("token");
        let by_both = both.mint("a", "b").expect("token");
        assert!(both.verify(by_old.expose_secret(), "b").is_ok());
        assert!(new.verify(by_both.expose_secret(), "b").is_ok());
        assert!(new.verify(by_old.expose_secret(), "b").is_err());
    }
}
