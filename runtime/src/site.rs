//! The address of the website, for the links in mails.

use std::{fmt, str::FromStr};

use crate::config::{Reader, Setting};

/// The setting that names it.
pub const SITE_URL: Setting = Setting::plain(
    "LEVQOR_SITE_URL",
    Some("https://www.levqor.ai"),
    "Where the website is; mails link to it.",
);

/// The address of the website: an http(s) URL without a trailing slash, so that paths can be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl(String);

/// The text is not the address of a website.
#[derive(Debug, thiserror::Error)]
#[error("not the address of a site")]
pub struct NotASiteUrl;

impl FromStr for SiteUrl {
    type Err = NotASiteUrl;

    fn from_str(text: &str) -> Result<Self, NotASiteUrl> {
        let uri: http::Uri = text.parse().map_err(|_| NotASiteUrl)?;
        let host = uri.authority().ok_or(NotASiteUrl)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // The URL parser accepts quotes and braces. They must not reach a link in a mail.
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || ":/.-_~%[]".contains(c));
        let is_base = uri.query().is_none() && !text.ends_with('/');
        if is_web && is_plain && is_base && !host.host().is_empty() {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASiteUrl)
        }
    }
}

impl SiteUrl {
    /// Reads the setting. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.defaulted(&SITE_URL, "an http(s) URL without a slash at its end")
    }
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_an_http_url_that_paths_can_be_appended_to() {
        for text in
            ["https://www.levqor.ai", "http://127.0.0.1:3000", "https://levqor.ai/site", "http://[::1]:3000"]
        {
            assert_eq!(text.parse::<SiteUrl>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "www.levqor.ai",
            "/intake",
            "https://",
            "https://www.levqor.ai/",
            "https://www.levqor.ai?a=b",
            "https://www.levqor.ai#a",
            "https://user@levqor.ai",
            "javascript:alert(1)",
            "ftp://levqor.ai",
            "https://levqor.ai/\"onclick=",
        ] {
            assert!(text.parse::<SiteUrl>().is_err(), "{text:?}");
        }
    }
}
