//! Placeholders in articles: prices, limits and rules are defined in one place, and articles refer to them as
//! `{{price.tier.starter}}`.

use std::collections::BTreeMap;

/// The values of placeholders, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts(BTreeMap<String, String>);

/// A placeholder that nothing is known for. A text with one is not shown to customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfilled;

impl Facts {
    /// Adds a fact.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds all facts of others.
    pub(crate) fn merge(&mut self, others: &Self) {
        self.0.extend(others.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Whether it has a fact of this name.
    #[cfg(test)]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text with every placeholder replaced.
    pub(crate) fn fill(&self, text: &str) -> Result<String, Unfilled> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or(Unfilled)?;
            filled.push_str(before);
            filled.push_str(self.0.get(name.trim()).ok_or(Unfilled)?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

impl FromIterator<(String, String)> for Facts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(facts: I) -> Self {
        Self(facts.into_iter().collect())
    }
}

/// The names of the placeholders in a text.
#[cfg(test)]
pub(crate) fn names(text: &str) -> Vec<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}").map(|(name, _)| name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_filled_whole_or_not_at_all() {
        let facts: Facts = [("price".to_owned(), "£19".to_owned())].into_iter().collect();
        assert_eq!(facts.fill("From {{price}} to {{ price }}.").as_deref(), Ok("From £19 to £19."));
        assert_eq!(facts.fill("Nothing.").as_deref(), Ok("Nothing."));
        for text in ["{{other}}", "{{price}} and {{price", "{{}}"] {
            assert_eq!(facts.fill(text), Err(Unfilled), "{text}");
        }
        assert_eq!(names("{{a.b}} x {{c}}"), ["a.b", "c"]);
    }
}
