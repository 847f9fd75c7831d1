//! Generates `.env.example` from the settings. A shell can source the file, and Docker Compose can read it as `env_file`, with
//! any of the settings uncommented.

#[cfg(test)]
mod readers;

use std::{borrow::Cow, fmt::Write};

use levqor_runtime::config::Env;

use crate::{state, up};

/// Every setting with its meaning and default.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "## Every setting of Levqor, with its default and meaning. Written by `levqor settings`; a test compares.\n\
         ## `levqor up` needs none of them. A secret may be given as a file instead: NAME_FILE=/path.\n\
         ## No program reads this file: copy it, remove the # before each setting that you set, and\n\
         ## `set -a; . ./.env; set +a` before you start, or name the copy in `env_file` of Docker Compose.\n",
    );
    let made = up_defaults();
    for setting in crate::mesh::settings() {
        let secret = if setting.secret { " Secret." } else { "" };
        let value = quoted(setting.default.unwrap_or_default());
        // If `levqor up` chooses the value by more than one rule, the meaning of the setting describes the rules.
        let made =
            made.get(&setting.name).filter(|_| !setting.meaning.contains("Where it is not set, `levqor up`"));
        let up = made.map(|value| in_up(&setting.name, value)).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {}{secret}{up}\n#{}={value}\n", setting.meaning, setting.name);
    }
    text
}

/// The values that `levqor up` sets for unset settings.
fn up_defaults() -> Env {
    let made = state::MADE_SECRETS.iter().map(|name| ((*name).to_owned(), "made".into()));
    let mut env = Env::default();
    up::set_defaults(&mut env, &made.collect());
    env
}

/// How `levqor up` differs from the default.
fn in_up(name: &str, value: &str) -> String {
    let does = match (name, value) {
        _ if state::MADE_SECRETS.contains(&name) => Cow::Borrowed("makes one, and keeps it"),
        ("LEVQOR_DATABASE_URL", _) => Cow::Borrowed("runs a PostgreSQL of its own"),
        (_, "127.0.0.1:0") => Cow::Borrowed("takes a free port of this machine"),
        _ => Cow::Owned(format!("takes `{value}`")),
    };
    format!(" Where it is not set, `levqor up` {does}.")
}

/// Writes a value so that shells and Compose read it the same way: bare, or in single quotes, which make every character literal.
fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:,@%+=-".contains(c);
    if value.chars().all(is_plain) { Cow::Borrowed(value) } else { Cow::Owned(format!("'{value}'")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_lists_every_setting() {
        let file = include_str!("../.env.example");
        assert_eq!(file, super::example(), "run `cargo run -- settings > .env.example`");
    }

    #[test]
    fn settings_that_levqor_up_changes_are_marked() {
        let example = super::example();
        for (setting, mark) in [
            ("LEVQOR_LOG", "`levqor up` takes `warn`"),
            ("LEVQOR_DRAIN_DELAY_MS", "`levqor up` takes `0`"),
            ("LEVQOR_CORS_ORIGINS", "`levqor up` takes `loopback`"),
            ("LEVQOR_METRICS_ADDR", "`levqor up` takes a free port"),
            ("LEVQOR_DATABASE_URL", "`levqor up` runs a PostgreSQL"),
            ("LEVQOR_STRIPE_LIVEMODE", "`levqor up` acts on both, unless"),
            ("LEVQOR_BILLING_ADDR", "`levqor up` takes a free port"),
            ("LEVQOR_JWT_SECRET", "`levqor up` makes one"),
        ] {
            let (before, _) = example.split_once(&format!("\n#{setting}=")).expect(setting);
            let meaning = before.lines().last().unwrap_or_default();
            assert!(meaning.contains(mark), "{setting}: {meaning}");
        }
    }
}
