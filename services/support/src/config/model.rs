//! The settings of the language model: any server with OpenAI's API for chat completions.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use levqor_runtime::{
    client::ApiBase,
    config::{Reader, Setting},
};
use secrecy::SecretString;

/// The configuration of the model.
pub struct ModelConfig {
    /// `OPENAI_API_KEY`
    pub key: SecretString,
    /// `OPENAI_BASE_URL`
    pub base: ModelBase,
    /// `LEVQOR_AI_MODEL`
    pub name: ModelName,
    /// `LEVQOR_AI_TIMEOUT_S`
    pub patience: Patience,
    /// `LEVQOR_AI_MAX_TOKENS`
    pub most_tokens: MostTokens,
}

const KEY: Setting = Setting::secret(
    "OPENAI_API_KEY",
    "Key of the language model's API, OpenAI's or that of a server that speaks it: the chat writes answers from articles. Without it, \
     the chat quotes them.",
);
const BASE: Setting = Setting::plain(
    "OPENAI_BASE_URL",
    Some("https://api.openai.com/v1"),
    "Base URL of the language model's API, without `/chat/completions`.",
);
const MODEL: Setting =
    Setting::plain("LEVQOR_AI_MODEL", Some("gpt-4.1-mini"), "Name of the language model at OPENAI_BASE_URL.");
const TIMEOUT: Setting = Setting::plain(
    "LEVQOR_AI_TIMEOUT_S",
    Some("6"),
    "For how many seconds an answer of the language model is awaited, 1 to 8. After that the chat quotes an article.",
);
const MAX_TOKENS: Setting = Setting::plain(
    "LEVQOR_AI_MAX_TOKENS",
    Some("700"),
    "The most tokens that the language model may write for an answer, 100 to 8000.",
);

impl ModelConfig {
    /// Every setting.
    pub(super) fn settings() -> Vec<Setting> {
        vec![KEY, BASE, MODEL, TIMEOUT, MAX_TOKENS]
    }

    /// Reads every setting. `Some(None)`: there is no key, so no model is asked.
    #[expect(clippy::option_option, reason = "the outer option says whether the settings can be read")]
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let base = reader.defaulted(&BASE, ModelBase::EXPECTED);
        let name = reader.defaulted(&MODEL, "1 to 100 letters, digits and - _ . : /");
        let patience = reader.defaulted(&TIMEOUT, "a number from 1 to 8");
        let most_tokens = reader.defaulted(&MAX_TOKENS, "a number from 100 to 8000");
        let (base, name, patience, most_tokens) = (base?, name?, patience?, most_tokens?);
        Some(reader.secret(&KEY).map(|key| Self { key, base, name, patience, most_tokens }))
    }
}

/// The base URL of the API: `https`, or plain `http` on this machine, with a path.
#[derive(Debug, Clone)]
pub struct ModelBase {
    /// The server.
    pub server: ApiBase,
    /// The URL without a slash at its end.
    pub url: String,
}

impl ModelBase {
    const EXPECTED: &str = "an https URL such as https://api.openai.com/v1, or http to this machine";
}

/// A setting of the model has another form.
#[derive(Debug)]
pub struct NotFit;

impl FromStr for ModelBase {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let text = text.trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").ok_or(NotFit)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
        let server = format!("{scheme}://{authority}").parse().map_err(|_| NotFit)?;
        if path.chars().all(is_plain) { Ok(Self { server, url: text.to_owned() }) } else { Err(NotFit) }
    }
}

/// The name of a model.
#[derive(Debug, Clone)]
pub struct ModelName(String);

impl ModelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelName {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        let fits = (1..=100).contains(&text.len()) && text.chars().all(is_plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(NotFit) }
    }
}

/// How long an answer is awaited.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

impl FromStr for Patience {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        number(text, 1..=8).map(|seconds| Self(Duration::from_secs(seconds.into())))
    }
}

/// The most tokens of an answer.
#[derive(Debug, Clone, Copy)]
pub struct MostTokens(pub u32);

impl FromStr for MostTokens {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        number(text, 100..=8_000).map(Self)
    }
}

fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, NotFit> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or(NotFit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_url_has_a_path_and_a_safe_server() {
        for (text, url) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1"),
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
            ("https://models.example", "https://models.example"),
        ] {
            assert_eq!(text.parse::<ModelBase>().map(|base| base.url).ok().as_deref(), Some(url), "{text}");
        }
        for wrong in
            ["", "api.openai.com/v1", "http://api.openai.com/v1", "https://a@b.c/v1", "https://b.c/v1?a=b"]
        {
            assert!(wrong.parse::<ModelBase>().is_err(), "{wrong}");
        }
    }
}
