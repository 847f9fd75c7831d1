//! Service tokens: HS256 with the mesh's key, valid for one minute, for one callee.

use std::{collections::HashMap, num::NonZero, sync::Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    SERVICE_TYP, TokenError,
    claims::{self, Life, NumericDate},
    form::FormTokens,
};
use crate::{
    clock::Clock,
    config::{Reader, Setting},
    pseudonyms::{CallerHashes, Pseudonyms},
};

const ISSUER: &str = "levqor-mesh";
const LIFE: TimeDelta = TimeDelta::seconds(60);
/// How long a minted token is reused.
const REUSE: TimeDelta = TimeDelta::seconds(20);
/// The most verified tokens in the cache. There is one per caller and `REUSE`, so there are far fewer.
const MOST_VERIFIED: usize = 64;

const MESH_KEY: Setting = Setting::secret(
    "LEVQOR_MESH_KEY",
    "Signs the tokens of calls between services: at least 32 characters. A comma-separated list: the first signs, all are accepted. The first also makes the pseudonyms of people in the audit chain: with a new first key, people get new pseudonyms.",
);

const LONGEST: Setting = Setting::plain(
    "LEVQOR_MESH_TOKEN_MAX_LIFETIME_S",
    Some("300"),
    "How long the tokens of calls between services may live at most, from `iat` to `exp`, in seconds. At least 60, the lifetime of our own tokens.",
);

/// The only caller outside of the mesh. It signs its tokens with `LEVQOR_PRODUCT_KEY`. RPCs name it among their `callers`. The chassis
/// needs its name, because every service must refuse its certificate with the token of a person.
pub(crate) const OUTSIDER: &str = "product";

const OUTSIDER_KEY: Setting = Setting::secret(
    "LEVQOR_PRODUCT_KEY",
    "Signs the tokens of the business' own product, which may ask CheckEntitlement and nothing else: at least 32 characters. A token has `typ` levqor-service+jwt, `iss` levqor-mesh, `sub` product, `aud` billing, `iat` and `exp`, and lives as long as those of services at most. Without it no product is known.",
);

/// The mesh's keys: the first signs, all are accepted. Also the lifetime of the tokens, and the key of the outsider.
pub struct MeshKeys {
    keys: Vec<SecretString>,
    outsider: Option<SecretString>,
    longest: TimeDelta,
}

impl MeshKeys {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![MESH_KEY, LONGEST, OUTSIDER_KEY]
    }

    /// Makes the pseudonyms of the audit chain, under the key that signs.
    #[must_use]
    pub fn pseudonyms(&self) -> Pseudonyms {
        // `read` refuses an empty list.
        Pseudonyms::new(&self.keys.first().cloned().unwrap_or_default())
    }

    /// Makes the hashes for counting the callers of RPCs that guard codes, under the key that signs.
    #[must_use]
    pub(crate) fn caller_hashes(&self) -> CallerHashes {
        CallerHashes::new(&self.keys.first().cloned().unwrap_or_default())
    }

    /// Reads the settings. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let expected = "a number of seconds, 60 or more";
        let longest: Option<NonZero<u32>> = reader.defaulted(&LONGEST, expected);
        let longest = longest.map(|longest| TimeDelta::seconds(longest.get().into()));
        if longest.is_some_and(|longest| longest < LIFE) {
            reader.problem(&LONGEST, format!("expected {expected}"));
        }
        let outsider = reader.secret(&OUTSIDER_KEY);
        if outsider.as_ref().is_some_and(|key| key.expose_secret().len() < 32) {
            reader.problem(&OUTSIDER_KEY, "expected at least 32 characters");
        }
        let keys = reader.secrets(&MESH_KEY);
        let is_ours = |key: &SecretString| keys.iter().any(|own| own.expose_secret() == key.expose_secret());
        if outsider.as_ref().is_some_and(is_ours) {
            reader.problem(&OUTSIDER_KEY, "expected another key than LEVQOR_MESH_KEY");
        }
        if keys.is_empty() {
            reader.problem(&MESH_KEY, "is not set; expected a random text of at least 32 characters");
            return None;
        }
        if keys.iter().any(|key| key.expose_secret().len() < 32) {
            reader.problem(&MESH_KEY, "expected at least 32 characters in each key");
            return None;
        }
        Some(Self { keys, outsider, longest: longest? })
    }
}

/// The claims that we write.
#[derive(Serialize)]
struct Signed<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// The claims that we read. The library has verified `iss` and `aud`.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: NumericDate,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
}

#[derive(Clone)]
struct Verified {
    service: String,
    audience: String,
    life: Life,
}

/// Caller and callee.
type Pair = (String, String);

/// Mints and verifies service tokens.
pub struct ServiceTokens {
    sign: EncodingKey,
    accept: Vec<DecodingKey>,
    /// Signs tokens of the outsider only.
    outsider: Option<DecodingKey>,
    longest: TimeDelta,
    forms: FormTokens,
    clock: Clock,
    minted: Mutex<HashMap<Pair, (DateTime<Utc>, SecretString)>>,
    /// Verified tokens: a signature check costs more than the other steps of admission. Every use checks the validity again.
    verified: Mutex<HashMap<String, Verified>>,
}

impl ServiceTokens {
    /// Creates it with these keys. There is always one: `MeshKeys::read` ensures it.
    #[must_use]
    pub fn new(keys: &MeshKeys, clock: Clock) -> Self {
        let bytes = |key: &SecretString| key.expose_secret().as_bytes().to_vec();
        let first = keys.keys.first().map(bytes).unwrap_or_default();
        Self {
            sign: EncodingKey::from_secret(&first),
            accept: keys.keys.iter().map(|key| DecodingKey::from_secret(&bytes(key))).collect(),
            outsider: keys.outsider.as_ref().map(|key| DecodingKey::from_secret(&bytes(key))),
            longest: keys.longest,
            forms: FormTokens::new(&keys.keys),
            clock,
            minted: Mutex::default(),
            verified: Mutex::default(),
        }
    }

    /// Tokens of public forms, under keys that are derived from the mesh's.
    #[must_use]
    pub const fn forms(&self) -> &FormTokens {
        &self.forms
    }

    /// A token which proves that `from` calls `to`.
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
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.typ = Some(SERVICE_TYP.to_owned());
        let claims =
            Signed { iss: ISSUER, sub: from, aud: to, iat: now.timestamp(), exp: (now + LIFE).timestamp() };
        let token = jsonwebtoken::encode(&header, &claims, &self.sign).map_err(TokenError::Invalid)?;
        let token = SecretString::from(token);
        minted.insert(pair, (now, token.clone()));
        Ok(token)
    }

    /// The service that calls `audience`, by a token that was verified before and is still valid.
    #[must_use]
    pub fn recall(&self, token: &str, audience: &str) -> Option<String> {
        let verified = self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = verified.get(token)?;
        (known.audience == audience && self.is_good(known.life)).then(|| known.service.clone())
    }

    fn is_good(&self, life: Life) -> bool {
        life.check(self.clock.now(), self.longest).is_ok()
    }

    fn remember(&self, token: &str, known: Verified) {
        let mut verified = self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if verified.len() >= MOST_VERIFIED {
            verified.retain(|_, known| self.is_good(known.life));
        }
        if verified.len() < MOST_VERIFIED {
            verified.insert(token.to_owned(), known);
        }
    }

    /// The service that calls `audience`.
    pub fn verify(&self, token: &str, audience: &str) -> Result<String, TokenError> {
        if let Some(service) = self.recall(token, audience) {
            return Ok(service);
        }
        if !super::is_service_token(token)? {
            return Err(TokenError::WrongKind);
        }
        let validation = super::validation(Algorithm::HS256, ISSUER, audience);
        let mut failure = TokenError::UnknownKey;
        for key in &self.accept {
            match jsonwebtoken::decode::<Claims>(token, key, &validation) {
                Ok(data) => return self.admit(token, audience, data.claims),
                Err(error) => failure = TokenError::Invalid(error),
            }
        }
        // The outsider's key proves only that the outsider calls.
        let outsider =
            self.outsider.as_ref().map(|key| jsonwebtoken::decode::<Claims>(token, key, &validation));
        match outsider {
            Some(Ok(data)) if data.claims.sub == OUTSIDER => self.admit(token, audience, data.claims),
            Some(Ok(_)) => Err(TokenError::Subject),
            Some(Err(_)) | None => Err(failure),
        }
    }

    fn admit(&self, token: &str, audience: &str, claims: Claims) -> Result<String, TokenError> {
        let life = Life {
            issued: Some(claims.iat),
            not_before: claims.nbf.or(Some(claims.iat)),
            expires: claims.exp,
        };
        life.check(self.clock.now(), self.longest)?;
        let service = claims::subject(claims.sub)?;
        self.remember(token, Verified { service: service.clone(), audience: audience.to_owned(), life });
        Ok(service)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LEEWAY, *};

    fn tokens(keys: &[&str], clock: &Clock) -> ServiceTokens {
        let keys = keys.iter().map(|key| SecretString::from((*key).to_owned())).collect();
        ServiceTokens::new(&MeshKeys { keys, outsider: None, longest: TimeDelta::minutes(5) }, clock.clone())
    }

    const OLD: &str = "an old mesh key of thirty-two characters";
    const NEW: &str = "a new mesh key of thirty-two characters!";

    #[test]
    fn a_token_names_one_caller_and_one_callee_for_a_minute() {
        let clock = Clock::default();
        let tokens = tokens(&[NEW], &clock);
        let token = tokens.mint("gateway", "lamps").expect("token");
        for _ in 0..2 {
            assert_eq!(tokens.verify(token.expose_secret(), "lamps").expect("valid"), "gateway");
            assert!(tokens.verify(token.expose_secret(), "chairs").is_err());
        }
        clock.advance(LIFE + LEEWAY + TimeDelta::seconds(1));
        assert!(matches!(tokens.verify(token.expose_secret(), "lamps"), Err(TokenError::Expired)));
        assert!(
            tokens.verify(tokens.mint("gateway", "lamps").expect("new").expose_secret(), "lamps").is_ok()
        );
    }

    #[test]
    fn the_outsiders_key_signs_only_for_the_outsider() {
        let clock = Clock::default();
        let key = |text: &str| SecretString::from(text.to_owned());
        let keys =
            MeshKeys { keys: vec![key(NEW)], outsider: Some(key(OLD)), longest: TimeDelta::minutes(5) };
        let mesh = ServiceTokens::new(&keys, clock.clone());
        let outside = tokens(&[OLD], &clock);
        let by_outsider = outside.mint(OUTSIDER, "billing").expect("token");
        assert_eq!(mesh.verify(by_outsider.expose_secret(), "billing").expect("valid"), OUTSIDER);
        assert!(mesh.verify(by_outsider.expose_secret(), "notifications").is_err());
        let forged = outside.mint("gateway", "billing").expect("token");
        assert!(matches!(mesh.verify(forged.expose_secret(), "billing"), Err(TokenError::Subject)));
        assert!(tokens(&[NEW], &clock).verify(by_outsider.expose_secret(), "billing").is_err());
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
