//! The identity provider's keys: fetched on demand, and cached while they are valid.

use std::{
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::TokenError;
use crate::{clock::Clock, http::http_client};

/// After this time keys are fetched again.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// How long keys are accepted after their fetch if the provider is unavailable.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// The shortest time between two fetches for an unknown key, so that forged tokens cannot make us flood the provider.
const RETRY: TimeDelta = TimeDelta::seconds(10);

/// The URL of a JWKS: https, or http on loopback.
#[derive(Debug, Clone)]
pub struct JwksUrl(reqwest::Url);

/// Keys must not be fetched over an open network without TLS.
#[derive(Debug, thiserror::Error)]
#[error("not an https URL")]
pub struct NotAJwksUrl;

impl FromStr for JwksUrl {
    type Err = NotAJwksUrl;

    fn from_str(text: &str) -> Result<Self, NotAJwksUrl> {
        let url = reqwest::Url::parse(text).map_err(|_| NotAJwksUrl)?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
            Ok(Self(url))
        } else {
            Err(NotAJwksUrl)
        }
    }
}

/// The smallest RSA key, in bits, that may sign (RFC 7518, 3.3).
const RSA_AT_LEAST: usize = 2048;
/// The most keys that are tried for a token that does not name its key.
const MOST_TRIED: usize = 16;

#[derive(Clone)]
pub(super) struct Key {
    kid: Option<String>,
    pub(super) verifier: DecodingKey,
    /// The only algorithm that it accepts.
    pub(super) algorithm: Algorithm,
}

impl Key {
    /// The key of a secret that the signer also has.
    pub(super) fn of_secret(secret: &SecretString) -> Self {
        let verifier = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self { kid: None, verifier, algorithm: Algorithm::HS256 }
    }
}

/// A key set. Each key is read separately: one unreadable key must not make the others unusable (RFC 7517, 5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Clone, Default)]
struct Fetched {
    keys: Arc<Vec<Key>>,
    time: Option<DateTime<Utc>>,
}

pub(super) struct Jwks {
    url: JwksUrl,
    clock: Clock,
    fetched: RwLock<Fetched>,
    /// The time of the last fetch attempt. The lock is held during a fetch, so one fetch serves all callers that need it.
    tried: Mutex<Option<DateTime<Utc>>>,
}

impl Jwks {
    pub(super) fn new(url: JwksUrl, clock: Clock) -> Self {
        Self { url, clock, fetched: RwLock::default(), tried: Mutex::default() }
    }

    /// The keys with this id. Known and fresh keys are returned at once, even during a fetch.
    pub(super) async fn of_id(&self, kid: &str) -> Result<Vec<Key>, TokenError> {
        self.find(|key| key.kid.as_deref() == Some(kid)).await
    }

    /// The keys for this algorithm. One of them may have signed a token that does not name its key.
    pub(super) async fn of_algorithm(&self, algorithm: Algorithm) -> Result<Vec<Key>, TokenError> {
        let mut keys = self.find(|key| key.algorithm == algorithm).await?;
        keys.truncate(MOST_TRIED);
        Ok(keys)
    }

    /// Fetches the keys again although they are fresh, because no known key fits.
    pub(super) async fn refresh(&self) {
        // While the provider is unavailable only the known keys can be used.
        let _ = self.fetch_once(&self.known()).await;
    }

    /// The keys that fit: at least one.
    async fn find(&self, fits: impl Fn(&Key) -> bool) -> Result<Vec<Key>, TokenError> {
        let known = self.known();
        let fitting = |of: &Fetched| of.keys.iter().filter(|key| fits(key)).cloned().collect::<Vec<_>>();
        let found = fitting(&known);
        if !found.is_empty() && self.is_younger(&known, MAX_AGE) {
            return Ok(found);
        }
        let fetched = self.fetch_once(&known).await;
        let now_known = self.known();
        let found = fitting(&now_known);
        match fetched {
            // While the provider is unavailable, its old keys stay valid for some time: it probably still signs with them.
            _ if !found.is_empty() && self.is_younger(&now_known, USABLE) => Ok(found),
            Err(error) => Err(TokenError::KeysUnavailable(Some(error))),
            Ok(()) if now_known.time.is_none() => Err(TokenError::KeysUnavailable(None)),
            Ok(()) => Err(TokenError::UnknownKey),
        }
    }

    fn known(&self) -> Fetched {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_younger(&self, fetched: &Fetched, age: TimeDelta) -> bool {
        fetched.time.is_some_and(|time| self.clock.now() - time <= age)
    }

    /// Fetches the keys, unless another caller just fetched or tried: forged tokens cannot make us flood the provider.
    async fn fetch_once(&self, known: &Fetched) -> Result<(), reqwest::Error> {
        let mut tried = self.tried.lock().await;
        let now = self.clock.now();
        if self.known().time != known.time || tried.is_some_and(|tried| now - tried < RETRY) {
            return Ok(());
        }
        *tried = Some(now);
        let keys = Arc::new(self.fetch().await?);
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Fetched { keys, time: Some(now) };
        Ok(())
    }

    pub(super) async fn fetch(&self) -> Result<Vec<Key>, reqwest::Error> {
        let request = http_client()?.get(self.url.0.clone()).timeout(Duration::from_secs(3));
        let set: KeySet = request.send().await?.error_for_status()?.json().await?;
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }
}

/// The key, if it may verify signatures of an accepted algorithm.
fn usable(jwk: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if bits(&rsa.n)? >= RSA_AT_LEAST => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    // The key's own restrictions of its use are binding (RFC 7517, 4.2 to 4.4).
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|of| of.contains(&KeyOperations::Verify));
    let for_it = common.key_algorithm.is_none_or(|of| of == named);
    if !(signs && verifies && for_it) {
        return None;
    }
    Some(Key { kid: common.key_id.clone(), verifier: DecodingKey::from_jwk(&jwk).ok()?, algorithm })
}

/// The length of a number in bits (RFC 7518, 2, `Base64urlUInt`).
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let zeros = bytes.iter().position(|byte| *byte != 0)?;
    let first = bytes.get(zeros)?;
    let leading = usize::try_from(first.leading_zeros()).ok()?;
    Some((bytes.len() - zeros) * 8 - leading)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An RSA key with this first byte and this many bytes.
    fn rsa(first: u8, bytes: usize, zeros: usize) -> Value {
        let mut modulus = vec![0; zeros];
        modulus.push(first);
        modulus.resize(zeros + bytes, 0xff);
        json!({"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus)})
    }

    #[test]
    fn an_rsa_key_that_is_too_short_is_not_used() {
        for (key, is_used) in [
            (rsa(0x80, 256, 0), true),
            (rsa(0xff, 512, 0), true),
            (rsa(0x7f, 256, 0), false),
            (rsa(0xff, 128, 0), false),
            (rsa(0xff, 128, 128), false),
            (json!({"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "AAAA"}), false),
            (json!({"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "not base64url!"}), false),
        ] {
            assert_eq!(usable(key.clone()).is_some(), is_used, "{key}");
        }
    }
}
