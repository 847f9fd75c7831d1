//! Users' tokens: JWTs of the website's identity provider.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    LEEWAY_S, TokenError,
    jwks::{Jwks, JwksUrl},
};
use crate::{
    check::{self, Check, Finding},
    clock::Clock,
    config::{Reader, Setting},
    context::{Role, User},
};

const JWT_SECRET: Setting = Setting::secret(
    "LEVQOR_JWT_SECRET",
    "Verifies users' tokens that are signed with HS256: at least 32 characters. This or LEVQOR_JWKS_URL must be set.",
);
const JWKS_URL: Setting = Setting::plain(
    "LEVQOR_JWKS_URL",
    None,
    "Where the identity provider publishes its keys; verifies users' tokens that are signed with RS256, ES256 or EdDSA.",
);
const ISSUER: Setting = Setting::plain(
    "LEVQOR_JWT_ISSUER",
    Some("https://levqor.ai"),
    "The issuer that users' tokens must name.",
);
const AUDIENCE: Setting =
    Setting::plain("LEVQOR_JWT_AUDIENCE", Some("levqor"), "The audience that users' tokens must name.");

/// How users' tokens are verified.
#[derive(Clone)]
pub struct UserTokensConfig {
    secret: Option<SecretString>,
    jwks: Option<JwksUrl>,
    issuer: String,
    audience: String,
}

impl UserTokensConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![JWT_SECRET, JWKS_URL, ISSUER, AUDIENCE]
    }

    /// Reads the settings. None only with a problem noted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let secret = reader.secret(&JWT_SECRET);
        let jwks: Option<JwksUrl> = reader.optional(&JWKS_URL, "an https URL (http on loopback only)");
        let issuer = reader.defaulted(&ISSUER, "a text");
        let audience = reader.defaulted(&AUDIENCE, "a text");
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 32) {
            reader.problem(&JWT_SECRET, "expected at least 32 characters");
        }
        if secret.is_none() && jwks.is_none() {
            reader.problem(
                &JWT_SECRET,
                "is not set, nor is LEVQOR_JWKS_URL: no user's token could be verified",
            );
        }
        Some(Self { secret, jwks, issuer: issuer?, audience: audience? })
    }
}

impl UserTokensConfig {
    /// What `levqor doctor` asks: whether the identity provider's keys can be had.
    #[must_use]
    pub fn check(&self) -> Check {
        let name = "gateway.token_keys";
        let Some(url) = self.jwks.clone() else {
            let why = "LEVQOR_JWKS_URL is not set: LEVQOR_JWT_SECRET verifies tokens";
            let how = "set LEVQOR_JWKS_URL to where the identity provider shows its keys";
            return Check::known(name, Finding::off(why, how));
        };
        Check::new(name, "GET LEVQOR_JWKS_URL", async move {
            match Jwks::new(url, Clock::default()).fetch().await {
                Ok(keys) if keys.is_empty() => {
                    Finding::failed("no key of RS256, ES256 or EdDSA with an id is there")
                }
                Ok(keys) => Finding::on(format!("{} keys that verify tokens", keys.len())),
                Err(error) => match error.status() {
                    Some(status) => Finding::failed(status.to_string()),
                    None => Finding::failed(check::clock::words(&error)),
                },
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    roles: BTreeSet<String>,
    iss: String,
    aud: serde_json::Value,
}

/// Verifies users' tokens.
pub struct UserTokens {
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
    issuer: String,
    audience: String,
    clock: Clock,
}

impl UserTokens {
    /// With this configuration.
    #[must_use]
    pub fn new(config: &UserTokensConfig, clock: Clock) -> Self {
        Self {
            secret: config.secret.as_ref().map(|s| DecodingKey::from_secret(s.expose_secret().as_bytes())),
            jwks: config.jwks.clone().map(|url| Jwks::new(url, clock.clone())),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            clock,
        }
    }

    /// The person that the token was issued to.
    pub async fn verify(&self, token: &str) -> Result<User, TokenError> {
        if super::is_service_token(token)? {
            return Err(TokenError::WrongKind);
        }
        let header = jsonwebtoken::decode_header(token).map_err(TokenError::Invalid)?;
        let claims = match (header.alg, &self.secret, &self.jwks) {
            (Algorithm::HS256, Some(secret), _) => self.decode(token, secret, Algorithm::HS256)?,
            (Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA, _, Some(jwks)) => {
                let (key, algorithm) = jwks.key(header.kid.as_deref()).await?;
                if algorithm != header.alg {
                    return Err(TokenError::Algorithm);
                }
                self.decode(token, &key, algorithm)?
            }
            _ => return Err(TokenError::Algorithm),
        };
        let now = self.clock.now().timestamp();
        if claims.exp <= now - LEEWAY_S || claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY_S) {
            return Err(TokenError::Expired);
        }
        // Roles that we do not know give nothing.
        let role = if claims.roles.contains("admin") {
            Role::Admin
        } else if claims.roles.contains("staff") {
            Role::Staff
        } else {
            Role::Customer
        };
        let email = claims.email.and_then(|email| email.parse().ok());
        Ok(User { sub: claims.sub, email, email_verified: claims.email_verified, role })
    }

    fn decode(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, TokenError> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // The mesh's clock decides: it can be moved in tests.
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(TokenError::Invalid)?;
        if data.claims.sub.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        Ok(data.claims)
    }
}

/// Signs a user's token with the shared secret, as the website would: for `levqor token`, and for tests.
pub fn sign_with_secret(
    secret: &SecretString,
    user: &User,
    issuer: &str,
    audience: &str,
    expires_at: i64,
) -> Result<SecretString, TokenError> {
    let roles = match user.role {
        Role::Customer => BTreeSet::new(),
        Role::Staff => BTreeSet::from(["staff".to_owned()]),
        Role::Admin => BTreeSet::from(["admin".to_owned()]),
    };
    let claims = Claims {
        sub: user.sub.clone(),
        exp: expires_at,
        nbf: None,
        email: user.email.as_ref().map(|email| email.as_str().to_owned()),
        email_verified: user.email_verified,
        roles,
        iss: issuer.to_owned(),
        aud: serde_json::Value::String(audience.to_owned()),
    };
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map(SecretString::from)
        .map_err(TokenError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    const SECRET: &str = "a shared secret of thirty-two characters";

    fn config() -> UserTokensConfig {
        let env = Env::from_pairs([("LEVQOR_JWT_SECRET", SECRET)]);
        let mut reader = Reader::new(&env);
        let config = UserTokensConfig::read(&mut reader);
        reader.finish(config).expect("config")
    }

    fn alice(role: Role) -> User {
        User { sub: "alice".to_owned(), email: "a@b.cd".parse().ok(), email_verified: true, role }
    }

    fn sign(user: &User, secret: &str, issuer: &str, audience: &str, life_s: i64) -> String {
        let expires = Clock::default().now().timestamp() + life_s;
        let secret = SecretString::from(secret.to_owned());
        sign_with_secret(&secret, user, issuer, audience, expires).expect("token").expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_good_token_names_the_person() {
        let tokens = UserTokens::new(&config(), Clock::default());
        for role in [Role::Customer, Role::Staff, Role::Admin] {
            let token = sign(&alice(role), SECRET, "https://levqor.ai", "levqor", 60);
            assert_eq!(tokens.verify(&token).await.expect("valid"), alice(role));
        }
    }

    #[tokio::test]
    async fn what_is_not_for_us_is_refused() {
        let tokens = UserTokens::new(&config(), Clock::default());
        let user = alice(Role::Admin);
        for (what, token) in [
            (
                "another secret",
                sign(&user, "another secret of thirty-two characters!", "https://levqor.ai", "levqor", 60),
            ),
            ("another issuer", sign(&user, SECRET, "https://evil.example", "levqor", 60)),
            ("another audience", sign(&user, SECRET, "https://levqor.ai", "other", 60)),
            ("expired", sign(&user, SECRET, "https://levqor.ai", "levqor", -60)),
            ("no token", "x.y.z".to_owned()),
        ] {
            assert!(tokens.verify(&token).await.is_err(), "{what}");
        }
    }

    #[tokio::test]
    async fn the_algorithm_none_and_unsigned_tokens_are_refused() {
        let tokens = UserTokens::new(&config(), Clock::default());
        let good = sign(&alice(Role::Admin), SECRET, "https://levqor.ai", "levqor", 60);
        let body = good.split('.').nth(1).expect("claims");
        // {"alg":"none","typ":"JWT"}
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
        assert!(tokens.verify(&none).await.is_err());
    }
}
