//! The identity provider's keys: fetched when they are needed, kept while they are good.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

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
/// Keys are accepted at most this long after they were fetched, should the provider be away.
const USABLE: TimeDelta = TimeDelta::hours(24);
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

/// The keys, and when they were fetched.
#[derive(Clone, Default)]
struct Fetched {
    keys: Arc<Keys>,
    time: Option<DateTime<Utc>>,
}

pub(super) struct Jwks {
    url: JwksUrl,
    clock: Clock,
    fetched: RwLock<Fetched>,
    /// When a fetch was last tried. Held while fetching: one fetch serves everybody who needs it.
    tried: Mutex<Option<DateTime<Utc>>>,
}

impl Jwks {
    pub(super) fn new(url: JwksUrl, clock: Clock) -> Self {
        Self { url, clock, fetched: RwLock::default(), tried: Mutex::default() }
    }

    /// The key of this id with the algorithm it is for. A token must name its key. Keys that are known and not old are
    /// given at once, whatever else is being fetched.
    pub(super) async fn key(&self, kid: Option<&str>) -> Result<(DecodingKey, Algorithm), TokenError> {
        let kid = kid.ok_or(TokenError::UnknownKey)?;
        let known = self.known();
        if let Some(key) = known.keys.get(kid).filter(|_| self.is_younger(&known, FRESH)) {
            return Ok(key.clone());
        }
        let fetched = self.fetch_once(&known).await;
        let now_known = self.known();
        match (now_known.keys.get(kid), fetched) {
            // While the provider is away its old keys stay good, for a while: it cannot have signed with newer ones.
            (Some(key), _) if self.is_younger(&now_known, USABLE) => Ok(key.clone()),
            (_, Err(error)) => Err(TokenError::KeysUnavailable(Some(error))),
            (_, Ok(())) if now_known.time.is_none() => Err(TokenError::KeysUnavailable(None)),
            (_, Ok(())) => Err(TokenError::UnknownKey),
        }
    }

    fn known(&self) -> Fetched {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_younger(&self, fetched: &Fetched, age: TimeDelta) -> bool {
        fetched.time.is_some_and(|time| self.clock.now() - time <= age)
    }

    /// Fetches, unless somebody just did, or tried: forged tokens cannot make us hammer the provider.
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

    pub(super) async fn fetch(&self) -> Result<Keys, reqwest::Error> {
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
