//! Users' tokens against a JWKS: each algorithm, rotation, forgery, and a provider that is away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use levqor_runtime::{
    clock::Clock,
    config::{Env, Reader},
    token::{TokenError, UserTokens, UserTokensConfig},
};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A signing key of the provider, made for this test.
struct Key {
    kid: &'static str,
    algorithm: Algorithm,
    sign: EncodingKey,
}

impl Key {
    fn ed25519(kid: &'static str) -> Self {
        // PKCS #8 of a seed (RFC 8410, 7).
        let mut der = hex::decode("302e020100300506032b657004220420").expect("hex");
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).expect("randomness");
        der.extend(seed);
        Self { kid, algorithm: Algorithm::EdDSA, sign: EncodingKey::from_ed_der(&der) }
    }

    fn p256(kid: &'static str) -> Self {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("a key");
        Self { kid, algorithm: Algorithm::ES256, sign: EncodingKey::from_ec_der(der.as_ref()) }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.sign, self.algorithm).expect("a jwk");
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).expect("json")
    }

    fn token(&self, kid: &str) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(kid.to_owned());
        let expires = Clock::default().now().timestamp() + 1_000_000;
        let claims = json!({"sub": "alice", "iss": "https://levqor.ai", "aud": "levqor", "exp": expires, "roles": ["staff"]});
        jsonwebtoken::encode(&header, &claims, &self.sign).expect("a token")
    }
}

/// An identity provider.
struct Provider {
    url: String,
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    fetches: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(keys: &[&Key]) -> Self {
        let keys = Arc::new(Mutex::new(Some(keys.iter().map(|key| key.public()).collect())));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (Arc::clone(&keys), Arc::clone(&fetches));
        let answer = move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            match served.lock().await.clone() {
                Some(keys) => Ok(axum::Json(json!({"keys": keys}))),
                None => Err(StatusCode::SERVICE_UNAVAILABLE),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/jwks", listener.local_addr().expect("address"));
        let app = Router::new().route("/jwks", get(answer));
        levqor_runtime::testing::spawn(async move { axum::serve(listener, app).await });
        Self { url, keys, fetches }
    }

    fn tokens(&self, clock: &Clock) -> UserTokens {
        let env = Env::from_pairs([
            ("LEVQOR_JWKS_URL", self.url.as_str()),
            ("LEVQOR_JWT_SECRET", "a shared secret which is long enough for HS256"),
        ]);
        let mut reader = Reader::new(&env);
        let config = UserTokensConfig::read(&mut reader);
        UserTokens::new(&reader.finish(config).expect("config"), clock.clone())
    }
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_verified_and_one_fetch_serves_all() {
    let (ed, ec) = (Key::ed25519("ed"), Key::p256("ec"));
    let provider = Provider::start(&[&ed, &ec]).await;
    let tokens = provider.tokens(&Clock::default());
    for key in [&ed, &ec, &ed] {
        assert_eq!(tokens.verify(&key.token(key.kid)).await.expect(key.kid).sub, "alice");
    }
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn forged_tokens_are_refused_and_do_not_hammer_the_provider() {
    let (ed, ec, mallory) = (Key::ed25519("ed"), Key::p256("ec"), Key::ed25519("ed"));
    let provider = Provider::start(&[&ed, &ec]).await;
    let tokens = provider.tokens(&Clock::default());
    assert!(
        matches!(tokens.verify(&mallory.token("ed")).await, Err(TokenError::Invalid(_))),
        "another's signature"
    );
    assert!(
        matches!(tokens.verify(&ed.token("ec")).await, Err(TokenError::Algorithm)),
        "a key of another algorithm"
    );
    for n in 0..20 {
        assert!(matches!(
            tokens.verify(&mallory.token(&format!("made-up-{n}"))).await,
            Err(TokenError::UnknownKey)
        ));
    }
    // Signed with HS256, the public key as its secret: the classic confusion.
    let secret = EncodingKey::from_secret(ed.public().to_string().as_bytes());
    let confused = Key { kid: "ed", algorithm: Algorithm::HS256, sign: secret }.token("ed");
    assert!(tokens.verify(&confused).await.is_err());
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_old_ones_outlive_an_absence_for_a_day() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let provider = Provider::start(&[&old]).await;
    let clock = Clock::default();
    let tokens = provider.tokens(&clock);
    tokens.verify(&old.token("old")).await.expect("known");
    *provider.keys.lock().await = Some(vec![old.public(), new.public()]);
    clock.advance(TimeDelta::seconds(11));
    tokens.verify(&new.token("new")).await.expect("found");

    *provider.keys.lock().await = None;
    clock.advance(TimeDelta::hours(2));
    tokens.verify(&old.token("old")).await.expect("still good");
    clock.advance(TimeDelta::hours(23));
    assert!(matches!(tokens.verify(&old.token("old")).await, Err(TokenError::KeysUnavailable(_))));
}

#[tokio::test]
async fn without_any_keys_tokens_cannot_be_verified_and_the_provider_is_asked_seldom() {
    let key = Key::ed25519("ed");
    let provider = Provider::start(&[]).await;
    *provider.keys.lock().await = None;
    let clock = Clock::default();
    let tokens = provider.tokens(&clock);
    for _ in 0..20 {
        assert!(matches!(tokens.verify(&key.token("ed")).await, Err(TokenError::KeysUnavailable(_))));
    }
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1);
    *provider.keys.lock().await = Some(vec![key.public()]);
    clock.advance(TimeDelta::seconds(11));
    tokens.verify(&key.token("ed")).await.expect("the provider is back");
}
