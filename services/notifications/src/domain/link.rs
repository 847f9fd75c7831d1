//! Links that other services send, such as the page of an invoice.

use std::str::FromStr;

/// A web address that a mail may link to.
pub struct Link(String);

impl Link {
    /// The most characters of a link. Mail clients and browsers accept this many.
    pub const MAX_CHARS: usize = 2_000;

    /// The expected form, for the violation.
    pub const EXPECTED: &str = "an http(s) link of at most 2,000 characters";

    /// The text of the link.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a link.
#[derive(Debug, thiserror::Error)]
#[error("not a link")]
pub struct NotALink;

impl FromStr for Link {
    type Err = NotALink;

    fn from_str(text: &str) -> Result<Self, NotALink> {
        let uri: http::Uri = text.parse().map_err(|_| NotALink)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // A link such as `https://levqor.ai@evil.example` only looks like a link to our site.
        let has_host = uri.authority().is_some_and(|to| !to.host().is_empty() && !to.as_str().contains('@'));
        let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c));
        if is_web && has_host && is_plain && text.len() <= Self::MAX_CHARS {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotALink)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_web_page() {
        for text in ["https://invoice.stripe.com/i/acct_1/test_a?s=db&x=%20#top", "http://127.0.0.1:3000/a"] {
            assert_eq!(text.parse::<Link>().expect(text).as_str(), text);
        }
        let long = format!("https://a.example/{}", "a".repeat(2_000));
        for text in [
            "",
            "/intake",
            "www.levqor.ai",
            "https://",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://levqor.ai@evil.example/",
            "https://levqor.ai/\"onclick=",
            "https://levqor.ai/a b",
            "https://levqor.ai/\r\nBcc: x",
            "https://levqor.ai/ü",
            &long,
        ] {
            assert!(text.parse::<Link>().is_err(), "{text:?}");
        }
    }
}
