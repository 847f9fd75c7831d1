//! Invented people, and others whose values are nearly the same: an erasure of one must not change data of the other.

use levqor_runtime::{email::Email, testing::Caller};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use serde_json::Value;

/// A person with a value for each kind of personal data.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// A word that only this person's names and free texts contain.
    pub(crate) mark: String,
    /// The id of their account.
    pub(crate) sub: String,
    /// Their mail address as they write it.
    pub(crate) spelt: String,
    /// Their mail address in normal form.
    pub(crate) email: String,
    /// Their customer at Stripe.
    pub(crate) stripe_customer: String,
    /// Where they call from.
    pub(crate) ip: String,
    /// Their address in lower case as it is, within JSON, within a link, and as a hash that anybody could make of it.
    forms: [String; 4],
}

impl Person {
    /// A person with this word, with ids that have this text in them, and with this address.
    fn new(mark: &str, id: &str, spelt: &str, ip: String) -> Self {
        let email = spelt.parse::<Email>().expect(spelt).as_str().to_owned();
        Self {
            mark: mark.to_owned(),
            sub: format!("auth0|{id}"),
            spelt: spelt.to_owned(),
            stripe_customer: format!("cus_{id}"),
            ip,
            forms: forms(&email),
            email,
        }
    }

    /// One of many people whose addresses have nothing special.
    pub(crate) fn numbered(n: u8) -> Self {
        let mark = format!("canary{n:03}");
        Self::new(&mark, &mark, &format!("{mark}@example.com"), format!("203.0.113.{}", 100 + n))
    }

    /// People whose addresses have characters that patterns, escapes and comparisons may misread. Each has a second person whose
    /// address such a misreading would find, and whose ids differ by the case of one letter.
    pub(crate) fn pairs() -> Vec<(Self, Self)> {
        let pairs = [
            ("underscore", "can_ary@example.com", "canxary@example.com"),
            ("percent", "can%ary@example.com", "canzzary@example.com"),
            // The local part is quoted: it is `can\ary`.
            ("backslash", "\"can\\\\ary\"@example.com", "canary@example.com"),
            ("plus", "can+ary@example.com", "can@example.com"),
            ("uppercase", "Can.ARY@Example.COM", "jim.can.ary@example.com"),
        ];
        let pair = |(n, (mark, spelt, near)): (usize, (&str, &str, &str))| {
            // Words of our own articles would be found as those of the person.
            let mark = format!("mark{mark}");
            let person = Self::new(&mark, &format!("Case{n}x"), spelt, format!("203.0.113.{}", 10 + n));
            let beside = format!("beside{n}");
            let other = Self::new(&beside, &format!("case{n}x"), near, format!("198.51.100.{}", 10 + n));
            (person, other)
        };
        pairs.into_iter().enumerate().map(pair).collect()
    }

    /// The person, signed in.
    pub(crate) fn caller(&self) -> Caller {
        Caller::customer(&self.sub, &self.spelt)
    }

    /// Their name.
    pub(crate) fn name(&self) -> String {
        format!("Nora {}", self.mark)
    }

    /// A text with everything that identifies them.
    pub(crate) fn text(&self) -> String {
        let Self { mark, spelt, ip, stripe_customer, .. } = self;
        format!(
            "I am Nora {mark}. Write to {spelt}. I call from {ip}, and Stripe knows me as {stripe_customer}."
        )
    }

    /// Whether a stored value has data of this person.
    pub(crate) fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                // PostgreSQL shows bytes so.
                let bytes = text.strip_prefix("\\x").and_then(|text| hex::decode(text).ok());
                self.is_in_text(text) || bytes.is_some_and(|bytes| self.is_in_bytes(&bytes))
            }
            Value::Array(values) => values.iter().any(|value| self.is_in(value)),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| self.is_in_text(name) || self.is_in(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Whether bytes have data of this person.
    pub(crate) fn is_in_bytes(&self, bytes: &[u8]) -> bool {
        self.is_in_text(&String::from_utf8_lossy(bytes))
    }

    /// Whether a text has data of this person.
    pub(crate) fn is_in_text(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let exact = [&self.sub, &self.stripe_customer, &self.ip];
        exact.into_iter().any(|value| text.contains(value.as_str()))
            || lower.contains(&self.mark)
            || self.forms.iter().any(|form| stands_in(form, &lower))
    }
}

/// An address in lower case as it is, within JSON, within a link, and as a hash that anybody could make of it.
fn forms(email: &str) -> [String; 4] {
    let json = Value::from(email).to_string();
    let in_json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    let in_link = utf8_percent_encode(email, NON_ALPHANUMERIC).to_string();
    let hash = hex::encode(digest(&SHA256, email.as_bytes()));
    [email.to_owned(), in_json, in_link, hash].map(|form| form.to_lowercase())
}

/// Whether a text contains an address, and not as the end of a longer one.
fn stands_in(address: &str, text: &str) -> bool {
    text.match_indices(address).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_is_found_in_every_form_and_no_other_person_is() {
        let pairs = Person::pairs();
        for (person, other) in &pairs {
            let hex = format!("\\x{}", hex::encode(person.spelt.as_bytes()));
            let json = serde_json::json!({"a": [person.spelt]});
            for value in
                [json.clone(), Value::from(json.to_string()), Value::from(hex), Value::from(person.name())]
            {
                assert!(person.is_in(&value), "{}: {value}", person.mark);
            }
            for (somebody, _) in &pairs {
                assert_eq!(somebody.is_in_text(&person.text()), somebody.mark == person.mark);
                assert!(!somebody.is_in_text(&other.text()), "{} in {}", somebody.mark, other.text());
            }
        }
    }
}
