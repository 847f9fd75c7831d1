//! The identity provider's keys: fetched when they are needed, kept while they are good.

use std::{collections::HashMap, str::FromStr, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet},
};
use tokio::sync::Mutex;

use super::TokenError;
use crate::{client::http_client, clock::Clock};

/// Keys are fetched again after this.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// A key that is not there is asked for again at most this often, so that forged tokens cannot make us hammer anybody.
const RETRY: TimeDelta = TimeDelta::seconds(10);

/// An address of keys: https, or http on loopback.
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

type Keys = HashMap<String, (DecodingKey, Algorithm)>;

#[derive(Default)]
struct Fetched {
    keys: Arc<Keys>,
    at: Option<DateTime<Utc>>,
    tried: Option<DateTime<Utc>>,
}

pub(super) struct Jwks {
    url: JwksUrl,
    clock: Clock,
    /// Held while fetching: one fetch serves everybody who waits.
    fetched: Mutex<Fetched>,
}

impl Jwks {
    pub(super) fn new(url: JwksUrl, clock: Clock) -> Self {
        Self { url, clock, fetched: Mutex::default() }
    }

    /// The key of this id with the algorithm it is for. A token must name its key.
    pub(super) async fn key(&self, kid: Option<&str>) -> Result<(DecodingKey, Algorithm), TokenError> {
        let kid = kid.ok_or(TokenError::UnknownKey)?;
        let now = self.clock.now();
        let mut fetched = self.fetched.lock().await;
        let stale = fetched.at.is_none_or(|at| now - at > FRESH);
        let may_try = fetched.tried.is_none_or(|tried| now - tried > RETRY);
        if (stale || !fetched.keys.contains_key(kid)) && (may_try || fetched.at.is_none()) {
            fetched.tried = Some(now);
            match self.fetch().await {
                Ok(keys) => {
                    fetched.keys = Arc::new(keys);
                    fetched.at = Some(now);
                }
                // Old keys stay good while the provider is away: it cannot have signed with newer ones that we know.
                Err(error) if fetched.keys.contains_key(kid) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot refresh the JWKS");
                }
                Err(error) => return Err(TokenError::KeysUnavailable(error)),
            }
        }
        fetched.keys.get(kid).cloned().ok_or(TokenError::UnknownKey)
    }

    async fn fetch(&self) -> Result<Keys, reqwest::Error> {
        let request = http_client()?.get(self.url.0.clone()).timeout(Duration::from_secs(3));
        let set: JwkSet = request.send().await?.error_for_status()?.json().await?;
        let usable = set.keys.iter().filter_map(|jwk| {
            let algorithm = match &jwk.algorithm {
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                    Algorithm::ES256
                }
                AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                    Algorithm::EdDSA
                }
                _ => return None,
            };
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some((jwk.common.key_id.clone()?, (key, algorithm)))
        });
        Ok(usable.collect())
    }
}
