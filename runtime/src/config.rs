//! Settings: all are read from the environment, before the process opens a connection. One run reports every mistake. No report shows the
//! value of a secret.

use std::{borrow::Cow, collections::BTreeMap, fmt, fs, str::FromStr};

use secrecy::SecretString;

/// One setting, as `.env.example` shows it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The variable.
    pub name: Cow<'static, str>,
    /// The default. `None` if the setting is required, or if its absence turns a feature off.
    pub default: Option<&'static str>,
    /// Its meaning, in a sentence.
    pub meaning: Cow<'static, str>,
    /// A secret is never shown. It may be given as a file, `NAME_FILE`.
    pub secret: bool,
}

impl Setting {
    /// Creates a setting that may be shown.
    #[must_use]
    pub const fn plain(name: &'static str, default: Option<&'static str>, meaning: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), default, meaning: Cow::Borrowed(meaning), secret: false }
    }

    /// Creates a setting that is never shown.
    #[must_use]
    pub const fn secret(name: &'static str, meaning: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), default: None, meaning: Cow::Borrowed(meaning), secret: true }
    }
}

/// A snapshot of the environment.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The process' environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn from_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// An environment made of these pairs.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Sets a variable if it is not set, or is empty.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if self.get(name).is_none() && self.get(&format!("{name}_FILE")).is_none() {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Removes a variable, also one that was given as a file.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
        self.0.remove(&format!("{name}_FILE"));
    }

    /// The value of a variable; an empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Names of the process' own variables that start with this prefix, byte for byte.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file is the one place that reads the environment")]
pub fn names_in_process(prefix: &str) -> Vec<std::ffi::OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes())).collect()
}

/// One mistake in the settings. It holds the expected form, never the given value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub setting: String,
    /// The expected form.
    pub expected: String,
}

/// Every mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the settings are not valid:")?;
        for Problem { setting, expected } in &self.0 {
            write!(formatter, "\n  {setting}: {expected}")?;
        }
        Ok(())
    }
}

/// Reads settings and notes mistakes. `finish` returns the configuration or the mistakes.
pub struct Reader<'a> {
    env: &'a Env,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads from this environment.
    #[must_use]
    pub fn new(env: &'a Env) -> Self {
        Self { env, problems: Vec::new() }
    }

    /// Whether a setting is given, as text or as a file.
    #[must_use]
    pub fn is_set(&self, setting: &Setting) -> bool {
        let file = || self.env.get(&format!("{}_FILE", setting.name));
        self.env.get(&setting.name).or_else(|| file().filter(|_| setting.secret)).is_some()
    }

    /// A value, if it is set.
    pub fn optional<T: FromStr>(&mut self, setting: &Setting, expected: &str) -> Option<T> {
        let text = self.env.get(&setting.name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.problem(setting, format!("expected {expected}"));
        }
        value
    }

    /// A value, or the setting's default. Returns `None` only after it noted a problem.
    pub fn defaulted<T: FromStr>(&mut self, setting: &Setting, expected: &str) -> Option<T> {
        if self.env.get(&setting.name).is_some() {
            return self.optional(setting, expected);
        }
        let value = setting.default.and_then(|text| text.parse().ok());
        if value.is_none() {
            self.problem(setting, format!("is not set, and has no default; expected {expected}"));
        }
        value
    }

    /// A required value. Returns `None` only after it noted a problem.
    pub fn required<T: FromStr>(&mut self, setting: &Setting, expected: &str) -> Option<T> {
        if self.env.get(&setting.name).is_none() {
            self.problem(setting, format!("is not set; expected {expected}"));
            return None;
        }
        self.optional(setting, expected)
    }

    /// A secret, from the variable or the file that `NAME_FILE` names. Returns `None` also if it is not set.
    pub fn secret(&mut self, setting: &Setting) -> Option<SecretString> {
        self.secret_text(setting).map(SecretString::from)
    }

    /// Several secrets, separated by commas. The first is used, and all are accepted.
    pub fn secrets(&mut self, setting: &Setting) -> Vec<SecretString> {
        let text = self.secret_text(setting).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| SecretString::from(part.to_owned())).collect()
    }

    fn secret_text(&mut self, setting: &Setting) -> Option<String> {
        let file_setting = format!("{}_FILE", setting.name);
        match (self.env.get(&setting.name), self.env.get(&file_setting)) {
            (Some(_), Some(_)) => {
                self.problem(setting, format!("is set together with {file_setting}; set one of them"));
                None
            }
            (Some(value), None) => Some(value.to_owned()),
            (None, Some(path)) => {
                let expected = match fs::read_to_string(path) {
                    Ok(text) if !text.trim().is_empty() => return Some(text.trim().to_owned()),
                    Ok(_) => "the file is empty".to_owned(),
                    Err(error) => format!("the file cannot be read ({})", error.kind()),
                };
                self.problems.push(Problem { setting: file_setting, expected });
                None
            }
            (None, None) => None,
        }
    }

    /// Notes a mistake. The text must never contain a value.
    pub fn problem(&mut self, setting: &Setting, expected: impl Into<String>) {
        self.problems.push(Problem { setting: setting.name.clone().into_owned(), expected: expected.into() });
    }

    /// Notes every variable with one of the prefixes that is not a known setting. Its name is probably misspelt.
    pub fn refuse_unknown(&mut self, prefixes: &[&str], known: &[Setting]) {
        let has_prefix = |name: &&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        for name in self.env.0.keys().map(String::as_str).filter(has_prefix) {
            let plain = name.strip_suffix("_FILE").unwrap_or(name);
            if !known.iter().any(|setting| setting.name == name || (setting.secret && setting.name == plain))
            {
                let expected = "is not a setting; .env.example lists them all".to_owned();
                self.problems.push(Problem { setting: name.to_owned(), expected });
            }
        }
    }

    /// Returns the configuration if there are no mistakes; otherwise every mistake.
    pub fn finish<T>(mut self, config: Option<T>) -> Result<T, Problems> {
        // Two roles of one process may read the same setting twice. Its mistake is reported once.
        let mut seen = std::collections::BTreeSet::new();
        self.problems.retain(|problem| seen.insert((problem.setting.clone(), problem.expected.clone())));
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(Problems(self.problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Setting = Setting::plain("LEVQOR_PORT", Some("80"), "A port.");
    const NAME: Setting = Setting::plain("LEVQOR_NAME", None, "A name.");
    const KEY: Setting = Setting::secret("LEVQOR_KEY", "A key.");

    #[test]
    fn every_mistake_is_reported_in_one_run_without_values() {
        let env = Env::from_pairs([
            ("LEVQOR_PORT", "hunter2"),
            ("LEVQOR_KEY_FILE", "/does/not/exist"),
            ("LEVQOR_TYPO", "hunter2"),
        ]);
        let mut reader = Reader::new(&env);
        let port: Option<u16> = reader.defaulted(&PORT, "a port number");
        let name: Option<String> = reader.required(&NAME, "a name");
        let key = reader.secret(&KEY);
        reader.refuse_unknown(&["LEVQOR_"], &[PORT, NAME, KEY]);
        let text = reader.finish(port.zip(name).zip(key)).map(|_| ()).expect_err("mistakes").to_string();
        for part in [
            "LEVQOR_PORT: expected a port number",
            "LEVQOR_NAME: is not set",
            "LEVQOR_KEY_FILE:",
            "LEVQOR_TYPO:",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_list_of_secrets_keeps_its_order() {
        let env = Env::from_pairs([("LEVQOR_KEY", "one, two,,three ")]);
        let mut reader = Reader::new(&env);
        let secrets = reader.secrets(&KEY);
        let texts: Vec<_> = secrets.iter().map(secrecy::ExposeSecret::expose_secret).collect();
        assert_eq!(texts, ["one", "two", "three"]);
        assert!(reader.finish(Some(())).is_ok());
    }
}
