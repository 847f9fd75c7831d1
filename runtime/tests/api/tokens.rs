//! The content of tokens: claims by RFC 7519, headers by RFC 7515 and RFC 8725, and limited lifetimes.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use levqor_runtime::{
    clock::Clock,
    config::{Env, Reader},
    context::{Role, User},
    error::ServiceError,
    token::{MeshKeys, ServiceTokens, TokenError, UserTokens, UserTokensConfig},
};
use serde_json::{Value, json};

const SECRET: &str = "a shared secret of thirty-two characters";

fn users() -> UserTokens {
    let env = Env::from_pairs([("LEVQOR_JWT_SECRET", SECRET)]);
    let mut reader = Reader::new(&env);
    let config = UserTokensConfig::read(&mut reader);
    UserTokens::new(&reader.finish(config).expect("config"), Clock::default())
}

fn services() -> ServiceTokens {
    let env = Env::from_pairs([("LEVQOR_MESH_KEY", SECRET)]);
    let mut reader = Reader::new(&env);
    let keys = MeshKeys::read(&mut reader);
    ServiceTokens::new(&reader.finish(keys).expect("keys"), Clock::default())
}

fn now() -> i64 {
    Clock::default().now().timestamp()
}

/// The claims with others added or replaced; null stays null, and the text `absent` removes one.
fn with(mut claims: Value, others: &Value) -> Value {
    for (name, value) in others.as_object().expect("claims") {
        let object = claims.as_object_mut().expect("claims");
        if value == "absent" {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn signed(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// Verifies a user's valid token with these changes.
async fn user(others: Value) -> Result<User, TokenError> {
    let claims = json!({"sub": "alice", "iss": "https://levqor.ai", "aud": "levqor", "exp": now() + 600});
    users().verify(&signed(&Header::new(Algorithm::HS256), &with(claims, &others))).await
}

/// Verifies a service's valid token with these changes.
fn service(typ: &str, others: &Value) -> Result<String, TokenError> {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(typ.to_owned());
    let claims =
        json!({"iss": "levqor-mesh", "sub": "gateway", "aud": "billing", "iat": now(), "exp": now() + 60});
    services().verify(&signed(&header, &with(claims, others)), "billing")
}

#[expect(clippy::cast_precision_loss, reason = "seconds of today are exact in a float")]
fn fraction(seconds: i64) -> f64 {
    seconds as f64 + 0.25
}

#[tokio::test]
async fn times_in_tokens_are_numbers_with_or_without_a_fraction() {
    let (past, future) = (fraction(now() - 600), fraction(now() + 600));
    for claims in [
        json!({"exp": future}),
        json!({"exp": future, "nbf": past, "iat": past}),
        json!({"nbf": null, "iat": null}),
        json!({"iat": "yesterday"}),
        json!({"nbf": 0.0}),
        json!({"nbf": -1.5}),
    ] {
        user(claims.clone()).await.unwrap_or_else(|error| panic!("{claims}: {error}"));
    }
    service("levqor-service+jwt", &json!({"iat": past, "exp": fraction(now() - 580 + 250)}))
        .expect_err("expired");
    service("levqor-service+jwt", &json!({"iat": fraction(now() - 1), "exp": fraction(now() + 60)}))
        .expect("a fraction");
    // The same number, written with an exponent; the test's library would write all digits.
    let claims = format!(
        r#"{{"sub":"alice","iss":"https://levqor.ai","aud":"levqor","exp":{:e}}}"#,
        fraction(now() + 600)
    );
    let claims: Box<serde_json::value::RawValue> = serde_json::from_str(&claims).expect("json");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    users().verify(&token).await.expect("an exponent");
}

#[tokio::test]
async fn a_token_without_a_valid_required_claim_is_refused() {
    for claims in [
        json!({"exp": "absent"}),
        json!({"exp": null}),
        json!({"exp": (now() + 600).to_string()}),
        json!({"exp": true}),
        json!({"exp": [now() + 600]}),
        json!({"exp": -1}),
        json!({"exp": fraction(now() - 600)}),
        json!({"nbf": "yesterday"}),
        json!({"nbf": fraction(now() + 600)}),
        json!({"nbf": 1e300}),
        json!({"iss": "absent"}),
        json!({"iss": 7}),
        json!({"aud": "absent"}),
        json!({"aud": ["other"]}),
        json!({"aud": []}),
        json!({"aud": {"levqor": true}}),
    ] {
        assert!(user(claims.clone()).await.is_err(), "{claims}");
    }
}

#[tokio::test]
async fn an_optional_claim_that_cannot_be_read_is_ignored() {
    for claims in [
        json!({"email": null, "email_verified": null, "roles": null}),
        json!({"email": 7, "email_verified": "yes", "roles": 7}),
        json!({"email": "no address", "email_verified": 1, "roles": {"admin": true}}),
        json!({"email": ["a@b.cd"], "email_verified": [true], "roles": [7, null, ["admin"]]}),
        json!({"email": "a\u{0}@b.cd", "email_verified": "TRUE!", "roles": "Admin"}),
        json!({"aud": ["other", "levqor"], "unknown": {"deep": [1, 2]}, "jti": 7}),
    ] {
        let user = user(claims.clone()).await.unwrap_or_else(|error| panic!("{claims}: {error}"));
        assert_eq!((user.sub.as_str(), user.role), ("alice", Role::Customer), "{claims}");
        assert!(user.email.is_none() && !user.email_verified, "{claims}");
    }
    let readable = json!({"email": "a@b.cd", "email_verified": "true", "roles": "staff"});
    let user = user(readable).await.expect("valid");
    assert_eq!((user.role, user.email_verified, user.email.is_some()), (Role::Staff, true, true));
}

#[tokio::test]
async fn a_subject_that_cannot_be_stored_or_shown_is_refused() {
    for sub in ["", " ", "a\u{0}b", "a\nb", "\u{1b}[2J", "a\u{85}b", &"a".repeat(256)] {
        let refused = user(json!({"sub": sub})).await.expect_err(sub);
        assert_eq!(refused.reason(), "TOKEN_INVALID", "{sub:?}");
        assert!(service("levqor-service+jwt", &json!({"sub": sub})).is_err(), "{sub:?}");
    }
    for sub in [json!(7), json!(null), json!(["alice"]), json!("absent")] {
        assert!(user(json!({"sub": sub})).await.is_err(), "{sub}");
    }
    for sub in ["auth0|5f7c8ec7", "google-oauth2|1", "Zoë Ünïcode", &"a".repeat(255)] {
        user(json!({"sub": sub})).await.expect(sub);
    }
}

#[tokio::test]
async fn a_token_with_a_too_long_lifetime_is_refused_with_its_own_reason() {
    const DAY: i64 = 86_400;
    const YEARS: i64 = 100 * 365 * DAY;
    for claims in [
        json!({"exp": now() + YEARS}),
        json!({"exp": now() + YEARS, "iat": now()}),
        json!({"exp": now() + DAY + 120}),
        json!({"exp": now() + 60, "iat": now() - DAY}),
        json!({"exp": now() + 60, "iat": 0}),
        // An issue date in the future makes the lifetime look short.
        json!({"exp": now() + YEARS, "iat": now() + YEARS - 60}),
        json!({"exp": 1e18}),
        json!({"exp": 1e300}),
        json!({"exp": u64::MAX}),
    ] {
        let refused = user(claims.clone()).await.expect_err(&claims.to_string());
        assert_eq!(refused.reason(), "TOKEN_LIVES_TOO_LONG", "{claims}");
    }
    for claims in [json!({"exp": now() + DAY}), json!({"exp": now() + DAY - 60, "iat": now() - 60})] {
        user(claims.clone()).await.unwrap_or_else(|error| panic!("{claims}: {error}"));
    }
    for claims in [
        json!({"exp": now() + YEARS}),
        json!({"exp": now() + 310}),
        json!({"exp": now() + YEARS, "iat": now() + YEARS - 60}),
        json!({"iat": 0}),
    ] {
        assert!(service("levqor-service+jwt", &claims).is_err(), "{claims}");
    }
    service("levqor-service+jwt", &json!({"exp": now() + 300})).expect("five minutes");
}

#[tokio::test]
async fn tokens_of_another_kind_and_headers_that_need_an_extension_are_refused() {
    let claims = json!({"sub": "alice", "iss": "https://levqor.ai", "aud": "levqor", "exp": now() + 600});
    let users = users();
    for typ in
        ["logout+jwt", "dpop+jwt", "application/logout+jwt", "levqor-service+jwt", "LEVQOR-SERVICE+JWT"]
    {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(typ.to_owned());
        let refused = users.verify(&signed(&header, &claims)).await.expect_err(typ);
        assert_eq!(refused.reason(), "TOKEN_KIND", "{typ}");
    }
    for typ in [None, Some("jwt"), Some("application/at+JWT")] {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = typ.map(str::to_owned);
        users.verify(&signed(&header, &claims)).await.expect("a user's token");
    }
    for crit in [vec![], vec!["exp".to_owned()], vec!["b64".to_owned()]] {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = Some(crit.clone());
        let refused = users.verify(&signed(&header, &claims)).await.expect_err("an extension");
        assert_eq!(refused.reason(), "TOKEN_INVALID", "{crit:?}");
    }
    for typ in ["JWT", "at+jwt", "logout+jwt"] {
        assert!(service(typ, &json!({})).is_err(), "{typ}");
    }
    service("levqor-service+jwt", &json!({})).expect("a service's token");
}
