//! Users' tokens: JWTs of the website's identity provider.

use std::num::NonZero;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    TokenError,
    claims::{self, Life, NumericDate},
    header::{Header, Kind},
    jwks::{Jwks, JwksUrl, Key},
};
use crate::{
    check::{self, Check, Finding},
    clock::Clock,
    config::{Reader, Setting},
    context::{Role, User},
    email::Email,
};

const JWT_SECRET: Setting = Setting::secret(
    "LEVQOR_JWT_SECRET",
    "Verifies users' tokens that are signed with HS256: at least 32 characters. A comma-separated list: all are accepted, and `levqor token` signs with the first. This or LEVQOR_JWKS_URL must be set.",
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
const LONGEST: Setting = Setting::plain(
    "LEVQOR_JWT_MAX_LIFETIME_S",
    Some("86400"),
    "How long users' tokens may live at most, in seconds: from `iat` to `exp`, or from now where there is no `iat`. Others are refused.",
);

/// How users' tokens are verified.
#[derive(Clone)]
pub struct UserTokensConfig {
    secrets: Vec<SecretString>,
    jwks: Option<JwksUrl>,
    issuer: String,
    audience: String,
    longest: TimeDelta,
}

impl UserTokensConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![JWT_SECRET, JWKS_URL, ISSUER, AUDIENCE, LONGEST]
    }

    /// Reads the settings. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let secrets = reader.secrets(&JWT_SECRET);
        let jwks: Option<JwksUrl> = reader.optional(&JWKS_URL, "an https URL (http on loopback only)");
        let issuer = reader.defaulted(&ISSUER, "a text");
        let audience = reader.defaulted(&AUDIENCE, "a text");
        let longest = longest_user_token(reader);
        if secrets.iter().any(|secret| secret.expose_secret().len() < 32) {
            reader.problem(&JWT_SECRET, "expected at least 32 characters in each secret");
        }
        if secrets.is_empty() && jwks.is_none() {
            reader.problem(
                &JWT_SECRET,
                "is not set, nor is LEVQOR_JWKS_URL: no user's token could be verified",
            );
        }
        Some(Self { secrets, jwks, issuer: issuer?, audience: audience?, longest: longest? })
    }

    /// The check of `levqor doctor`: whether the identity provider's keys can be fetched.
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
                    Finding::failed("no key that may verify RS256, ES256 or EdDSA is there")
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

/// The claims of a token. The library has verified `iss` and `aud`.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    roles: Value,
}

/// Verifies users' tokens.
pub struct UserTokens {
    secrets: Vec<Key>,
    jwks: Option<Jwks>,
    issuer: String,
    audience: String,
    longest: TimeDelta,
    clock: Clock,
}

impl UserTokens {
    /// Creates it with this configuration.
    #[must_use]
    pub fn new(config: &UserTokensConfig, clock: Clock) -> Self {
        Self {
            secrets: config.secrets.iter().map(Key::of_secret).collect(),
            jwks: config.jwks.clone().map(|url| Jwks::new(url, clock.clone())),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            longest: config.longest,
            clock,
        }
    }

    /// The person that the token was issued to.
    pub async fn verify(&self, token: &str) -> Result<User, TokenError> {
        let header = Header::read(token)?;
        if header.kind == Kind::Service {
            return Err(TokenError::WrongKind);
        }
        let claims = match (header.algorithm, self.secrets.as_slice(), &self.jwks) {
            (Algorithm::HS256, secrets @ [_, ..], _) => self.decode_with(token, secrets)?,
            (Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA, _, Some(jwks)) => {
                self.decode_by(jwks, token, &header).await?
            }
            _ => return Err(TokenError::Algorithm),
        };
        let issued = NumericDate::of(&claims.iat);
        let life = Life { issued, not_before: claims.nbf, expires: claims.exp };
        life.check(self.clock.now(), self.longest)?;
        // An unknown role gives no rights.
        let roles = claims::names(&claims.roles);
        let role = if roles.contains("admin") {
            Role::Admin
        } else if roles.contains("staff") {
            Role::Staff
        } else {
            Role::Customer
        };
        let email = claims.email.as_str().and_then(|email| email.parse().ok());
        let email_verified = claims::is_true(&claims.email_verified);
        Ok(User { sub: claims::subject(claims.sub)?, email, email_verified, role })
    }

    /// Verifies a token with the provider's key that the token names. Without a name it tries each key that may have signed it.
    async fn decode_by(&self, jwks: &Jwks, token: &str, header: &Header) -> Result<Claims, TokenError> {
        let Some(kid) = &header.kid else {
            let keys = jwks.of_algorithm(header.algorithm).await?;
            match self.decode_with(token, &keys) {
                // The provider may have a new key.
                Err(TokenError::Invalid(_)) => jwks.refresh().await,
                other => return other,
            }
            return self.decode_with(token, &jwks.of_algorithm(header.algorithm).await?);
        };
        let mut keys = jwks.of_id(kid).await?;
        keys.retain(|key| key.algorithm == header.algorithm);
        if keys.is_empty() { Err(TokenError::Algorithm) } else { self.decode_with(token, &keys) }
    }

    /// The claims of the token, if one of these keys signed it.
    fn decode_with(&self, token: &str, keys: &[Key]) -> Result<Claims, TokenError> {
        let mut failure = TokenError::UnknownKey;
        for Key { verifier, algorithm, .. } in keys {
            let validation = super::validation(*algorithm, &self.issuer, &self.audience);
            match jsonwebtoken::decode::<Claims>(token, verifier, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => failure = TokenError::Invalid(error),
            }
        }
        Err(failure)
    }
}

/// Reads the longest lifetime of a user's token. Returns `None` only after it noted a problem.
pub fn longest_user_token(reader: &mut Reader<'_>) -> Option<TimeDelta> {
    let longest: NonZero<u32> = reader.defaulted(&LONGEST, "a number of seconds, 1 or more")?;
    Some(TimeDelta::seconds(longest.get().into()))
}

/// The claims that we write.
#[derive(Serialize)]
struct Signed<'a> {
    sub: &'a str,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    email_verified: bool,
    roles: &'a [&'a str],
    iss: &'a str,
    aud: &'a str,
}

/// Signs a user's token with the shared secret, as the website does: for `levqor token`, and for tests.
pub fn sign_with_secret(
    secret: &SecretString,
    user: &User,
    issuer: &str,
    audience: &str,
    expires_at: i64,
) -> Result<SecretString, TokenError> {
    let roles: &[&str] = match user.role {
        Role::Customer => &[],
        Role::Staff => &["staff"],
        Role::Admin => &["admin"],
    };
    let claims = Signed {
        sub: &user.sub,
        exp: expires_at,
        email: user.email.as_ref().map(Email::as_str),
        email_verified: user.email_verified,
        roles,
        iss: issuer,
        aud: audience,
    };
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::HS256), &claims, &key)
        .map(SecretString::from)
        .map_err(TokenError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Problems};

    const SECRET: &str = "a shared secret of thirty-two characters";
    const OTHER: &str = "another secret of thirty-two characters!";

    fn read(secrets: &str) -> Result<UserTokensConfig, Problems> {
        let env = Env::from_pairs([("LEVQOR_JWT_SECRET", secrets)]);
        let mut reader = Reader::new(&env);
        let config = UserTokensConfig::read(&mut reader);
        reader.finish(config)
    }

    fn config() -> UserTokensConfig {
        read(SECRET).expect("config")
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
    async fn a_token_that_is_not_for_us_is_refused() {
        let tokens = UserTokens::new(&config(), Clock::default());
        let user = alice(Role::Admin);
        for (what, token) in [
            ("another secret", sign(&user, OTHER, "https://levqor.ai", "levqor", 60)),
            ("another issuer", sign(&user, SECRET, "https://evil.example", "levqor", 60)),
            ("another audience", sign(&user, SECRET, "https://levqor.ai", "other", 60)),
            ("expired", sign(&user, SECRET, "https://levqor.ai", "levqor", -60)),
            ("no token", "x.y.z".to_owned()),
        ] {
            assert!(tokens.verify(&token).await.is_err(), "{what}");
        }
    }

    #[tokio::test]
    async fn during_a_rotation_the_tokens_of_both_secrets_are_accepted() {
        for (secrets, accepted) in [
            (format!("{SECRET}, {OTHER}"), [true, true]),
            (format!("{OTHER},{SECRET}"), [true, true]),
            (SECRET.to_owned(), [true, false]),
            (OTHER.to_owned(), [false, true]),
        ] {
            let tokens = UserTokens::new(&read(&secrets).expect("config"), Clock::default());
            for (secret, expected) in [SECRET, OTHER].into_iter().zip(accepted) {
                let token = sign(&alice(Role::Staff), secret, "https://levqor.ai", "levqor", 60);
                assert_eq!(tokens.verify(&token).await.is_ok(), expected, "{secret} of {secrets}");
            }
            // The claims are checked for each secret.
            for secret in [SECRET, OTHER] {
                let foreign = sign(&alice(Role::Staff), secret, "https://evil.example", "levqor", 60);
                assert!(tokens.verify(&foreign).await.is_err(), "{secret} of {secrets}");
            }
        }
    }

    #[test]
    fn at_least_one_secret_is_required_and_each_is_long_enough() {
        for secrets in ["hunter2".to_owned(), format!("{SECRET},hunter2"), ",".to_owned()] {
            let Problems(problems) = read(&secrets).err().expect("a mistake");
            let named: Vec<_> = problems.iter().map(|problem| problem.setting.as_str()).collect();
            assert_eq!(named, ["LEVQOR_JWT_SECRET"], "{secrets}");
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
