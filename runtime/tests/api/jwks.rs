//! Users' tokens against a JWKS: each algorithm, rotation, forgery, and an unavailable provider.

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

/// A signing key of the provider, created for this test.
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
        self.token_of(Some(kid))
    }

    fn token_of(&self, kid: Option<&str>) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
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
        Self::of(keys.iter().map(|key| key.public()).collect()).await
    }

    async fn of(keys: Vec<Value>) -> Self {
        let keys = Arc::new(Mutex::new(Some(keys)));
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
            // These tests move the clock by more than a day.
            ("LEVQOR_JWT_MAX_LIFETIME_S", "1000000"),
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
async fn forged_tokens_are_refused_and_cause_no_further_fetches() {
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
    // Signed with HS256, with the public key as its secret: the classic algorithm confusion.
    let secret = EncodingKey::from_secret(ed.public().to_string().as_bytes());
    let confused = Key { kid: "ed", algorithm: Algorithm::HS256, sign: secret }.token("ed");
    assert!(tokens.verify(&confused).await.is_err());
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_old_keys_are_valid_for_a_day_while_the_provider_is_unavailable() {
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
async fn without_keys_tokens_cannot_be_verified_and_fetches_are_limited() {
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

/// The key's public part with these members added or replaced; null removes one.
fn changed(key: &Key, members: &Value) -> Value {
    let mut jwk = key.public();
    for (name, value) in members.as_object().expect("members") {
        let object = jwk.as_object_mut().expect("a jwk");
        match value {
            Value::Null => object.remove(name),
            value => object.insert(name.clone(), value.clone()),
        };
    }
    jwk
}

#[tokio::test]
async fn a_key_is_used_only_for_its_declared_use() {
    let key = Key::ed25519("ed");
    for (members, is_used) in [
        (json!({"use": "sig"}), true),
        (json!({"use": "enc"}), false),
        (json!({"use": "other"}), false),
        (json!({"key_ops": ["verify"]}), true),
        (json!({"key_ops": ["sign", "verify"]}), true),
        (json!({"key_ops": ["encrypt", "wrapKey"]}), false),
        (json!({"key_ops": []}), false),
        (json!({"alg": null}), true),
        (json!({"alg": "ES256"}), false),
        (json!({"alg": "RSA-OAEP"}), false),
        (json!({"alg": "Something"}), false),
    ] {
        let provider = Provider::of(vec![changed(&key, &members)]).await;
        let verified = provider.tokens(&Clock::default()).verify(&key.token("ed")).await;
        assert_eq!(verified.is_ok(), is_used, "{members}");
    }
}

#[tokio::test]
async fn an_unreadable_key_does_not_affect_other_keys() {
    let key = Key::ed25519("ed");
    let strange = [
        json!({"kty": "NEW", "kid": "x"}),
        json!({"kid": 7}),
        json!("text"),
        json!({"kty": "OKP", "crv": "X448", "x": "AA"}),
    ];
    let provider = Provider::of(strange.into_iter().chain([key.public()]).collect()).await;
    provider.tokens(&Clock::default()).verify(&key.token("ed")).await.expect("the key that can be read");
}

#[tokio::test]
async fn a_token_that_does_not_name_its_key_is_tried_with_all_keys_of_its_algorithm() {
    let (first, second, ec) = (Key::ed25519("first"), Key::ed25519("second"), Key::p256("ec"));
    let mallory = Key::ed25519("mallory");
    // A set of one key, which may have no id.
    for members in [json!({}), json!({"kid": null})] {
        let provider = Provider::of(vec![changed(&first, &members)]).await;
        let tokens = provider.tokens(&Clock::default());
        tokens.verify(&first.token_of(None)).await.expect("the one key there is");
        assert!(tokens.verify(&mallory.token_of(None)).await.is_err(), "another's signature");
    }
    let provider = Provider::start(&[&first, &second, &ec]).await;
    let tokens = provider.tokens(&Clock::default());
    for key in [&first, &second, &ec] {
        tokens.verify(&key.token_of(None)).await.expect(key.kid);
    }
    for _ in 0..20 {
        assert!(tokens.verify(&mallory.token_of(None)).await.is_err());
    }
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1, "forged tokens must not cause fetches");
}

#[tokio::test]
async fn a_new_key_is_found_by_a_token_that_does_not_name_it() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let provider = Provider::start(&[&old]).await;
    let clock = Clock::default();
    let tokens = provider.tokens(&clock);
    tokens.verify(&old.token_of(None)).await.expect("known");
    *provider.keys.lock().await = Some(vec![new.public()]);
    clock.advance(TimeDelta::seconds(11));
    tokens.verify(&new.token_of(None)).await.expect("found");
}
