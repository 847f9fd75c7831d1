//! The callers of tests, with their tokens.

use std::time::Duration;

use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{JWT_SECRET, mesh_keys};
use crate::{
    client::Outgoing,
    clock::Clock,
    config::{Env, Reader},
    context::{Role, User},
    token::{MeshKeys, ServiceTokens, sign_with_secret},
};

/// Who calls in a test.
#[derive(Clone)]
pub struct Caller {
    bearer: Option<SecretString>,
    key: Option<String>,
}

impl Caller {
    /// A caller without a token.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { bearer: None, key: None }
    }

    /// A person.
    #[must_use]
    pub fn user(user: &User) -> Self {
        let expires = Clock::default().now().timestamp() + 3600;
        let secret = SecretString::from(JWT_SECRET.to_owned());
        let token = sign_with_secret(&secret, user, "https://levqor.ai", "levqor", expires).expect("token");
        Self { bearer: Some(token), key: None }
    }

    /// A customer with a verified address.
    #[must_use]
    pub fn customer(sub: &str, email: &str) -> Self {
        Self::user(&User {
            sub: sub.to_owned(),
            email: email.parse().ok(),
            email_verified: true,
            role: Role::Customer,
        })
    }

    /// A customer with a verified address, whose token names a language and region.
    #[must_use]
    pub fn customer_in(locale: &str, sub: &str, email: &str) -> Self {
        let claims = json!({
            "sub": sub, "email": email, "email_verified": true, "locale": locale,
            "exp": Clock::default().now().timestamp() + 3600, "iss": "https://levqor.ai", "aud": "levqor",
        });
        let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("token");
        Self { bearer: Some(SecretString::from(token)), key: None }
    }

    /// A customer whose address is not verified.
    #[must_use]
    pub fn unverified(sub: &str, email: &str) -> Self {
        Self::user(&User {
            sub: sub.to_owned(),
            email: email.parse().ok(),
            email_verified: false,
            role: Role::Customer,
        })
    }

    /// Staff.
    #[must_use]
    pub fn staff() -> Self {
        Self::user(&User { sub: "staff".to_owned(), email: None, email_verified: false, role: Role::Staff })
    }

    /// An administrator.
    #[must_use]
    pub fn admin() -> Self {
        Self::user(&User { sub: "admin".to_owned(), email: None, email_verified: false, role: Role::Admin })
    }

    /// A service that calls another.
    #[must_use]
    pub fn service(from: &str, to: &str) -> Self {
        let token = ServiceTokens::new(&mesh_keys(), Clock::default()).mint(from, to).expect("token");
        Self { bearer: Some(token), key: None }
    }

    /// An attacker who signs service tokens with their own key.
    #[must_use]
    pub fn signed_by(key: &str, from: &str, to: &str) -> Self {
        let env = Env::from_pairs([("LEVQOR_MESH_KEY", key)]);
        let keys = MeshKeys::read(&mut Reader::new(&env)).expect("a key");
        let token = ServiceTokens::new(&keys, Clock::default()).mint(from, to).expect("token");
        Self { bearer: Some(token), key: None }
    }

    /// The same caller, with an idempotency key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { bearer: self.bearer.clone(), key: Some(key.to_owned()) }
    }

    /// A request of this caller.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.carried().request(message)
    }

    /// The metadata of this caller's calls.
    #[must_use]
    pub fn carried(&self) -> Outgoing<'_> {
        Outgoing {
            bearer: self.bearer.as_ref(),
            request_id: "test",
            idempotency_key: self.key.as_deref(),
            timeout: Duration::from_secs(30),
        }
    }

    /// The value of the `authorization` header.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.bearer.as_ref().map(|bearer| format!("Bearer {}", bearer.expose_secret()))
    }
}
