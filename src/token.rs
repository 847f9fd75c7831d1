//! `levqor token`: signs a token like those of the website.

use anyhow::{Context, ensure};
use levqor_runtime::{
    clock::Clock,
    config::{Env, Reader},
    context::{Role, User},
    email::Email,
    token::{longest_user_token, sign_with_secret},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    cli::{TokenArguments, TokenRole},
    output, state,
};

/// The default lifetime of a token, and the longest lifetime of the operator's own tokens, in seconds.
const DEFAULT_TTL_S: i64 = 3600;
const OPERATOR_TTL_S: i64 = 300;

/// Prints a token and nothing else.
pub(crate) fn token(env: &Env, arguments: &TokenArguments) -> anyhow::Result<()> {
    let role = match arguments.role {
        TokenRole::Customer => Role::Customer,
        TokenRole::Staff => Role::Staff,
        TokenRole::Admin => Role::Admin,
    };
    let email = arguments
        .email
        .as_deref()
        .map(str::parse::<Email>)
        .transpose()
        .context("--email is not an address")?;
    let sub = arguments.sub.clone().unwrap_or_else(|| {
        let of_email = email.as_ref().map(|email| format!("email|{}", email.as_str()));
        of_email.unwrap_or_else(|| format!("levqor-token|{role:?}").to_lowercase())
    });
    let user = User { sub, email_verified: email.is_some(), email, role };
    let longest = longest(env)?;
    let ttl_s = arguments.ttl.unwrap_or_else(|| longest.min(DEFAULT_TTL_S));
    ensure!(
        ttl_s <= longest,
        "--ttl is more than LEVQOR_JWT_MAX_LIFETIME_S, {longest}: such a token would be refused"
    );
    output::lines(sign(env, &user, ttl_s)?.expose_secret())
}

/// Signs a token with this lifetime in seconds.
pub(crate) fn sign(env: &Env, user: &User, ttl_s: i64) -> anyhow::Result<SecretString> {
    let secret = SecretString::from(state::secret(env, "LEVQOR_JWT_SECRET")?);
    let issuer = env.get("LEVQOR_JWT_ISSUER").unwrap_or("https://levqor.ai");
    let audience = env.get("LEVQOR_JWT_AUDIENCE").unwrap_or("levqor");
    let expires = Clock::default().now().timestamp() + ttl_s;
    sign_with_secret(&secret, user, issuer, audience, expires).context("cannot sign a token")
}

/// A token for the commands, for the operator at this machine.
pub(crate) fn operator(env: &Env, role: Role) -> anyhow::Result<SecretString> {
    let user = User { sub: "levqor-cli".to_owned(), email: None, email_verified: false, role };
    sign(env, &user, longest(env)?.min(OPERATOR_TTL_S))
}

/// The longest lifetime of a token here, in seconds.
fn longest(env: &Env) -> anyhow::Result<i64> {
    let mut reader = Reader::new(env);
    let longest = longest_user_token(&mut reader);
    Ok(reader.finish(longest)?.num_seconds())
}
