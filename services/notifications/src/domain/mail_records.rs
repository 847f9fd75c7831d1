//! The DNS records by which receivers decide whether to trust the sender of a mail: SPF (RFC 7208), the key of DKIM (RFC 6376,
//! 8301, 8463) and the policy of DMARC (RFC 9989). Only the parts that an operator has to know are read.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A record that cannot be used, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// There is none.
    #[error("there is no record")]
    Missing,
    /// There are several, so that receivers use none.
    #[error("there are several records, so receivers use none")]
    Several,
    /// It has a term that its RFC does not know.
    #[error("a term of the record is not understood")]
    NotUnderstood,
    /// The key is revoked: it is empty.
    #[error("the key is revoked")]
    Revoked,
    /// The key has less than 1,024 bits.
    #[error("the key is shorter than 1,024 bits")]
    Short,
}

/// The selector of a key of DKIM: labels of a domain. RFC 6376, section 3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimSelector(String);

impl DkimSelector {
    /// The expected form, for the report of a mistake.
    pub const EXPECTED: &str = "a selector, such as `resend`";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a selector.
#[derive(Debug, thiserror::Error)]
#[error("not a selector of DKIM")]
pub struct NotASelector;

impl FromStr for DkimSelector {
    type Err = NotASelector;

    fn from_str(text: &str) -> Result<Self, NotASelector> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        if text.split('.').all(is_label) { Ok(Self(text.to_owned())) } else { Err(NotASelector) }
    }
}

/// The only record of a kind among the texts of a name.
fn only(texts: &[String], is_one: impl Fn(&str) -> bool) -> Result<&str, BadRecord> {
    let mut records = texts.iter().filter(|text| is_one(text));
    match (records.next(), records.next()) {
        (None, _) => Err(BadRecord::Missing),
        (Some(record), None) => Ok(record),
        (Some(_), Some(_)) => Err(BadRecord::Several),
    }
}

/// The tags of a record: `v=DMARC1; p=none`.
fn tags(record: &str) -> Vec<(&str, &str)> {
    let pairs = record.split(';').filter_map(|tag| tag.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).collect()
}

fn tag<'a>(tags: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value)
}

/// What an SPF record says of the servers that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// `-all` or `~all`: their mails fail.
    Fail,
    /// `?all`, or nothing: nothing is said of them.
    Neutral,
    /// `+all`: every server in the world may send.
    Pass,
}

/// An SPF record.
#[derive(Debug, PartialEq, Eq)]
pub struct Spf {
    /// The names whose records count too: `include` and `redirect`.
    pub followed: Vec<String>,
    /// The number of DNS queries that the record itself costs its reader: at most 10 are allowed with those of `followed`.
    pub queries: usize,
    /// Its rule for other servers. None if a `redirect` decides.
    pub others: Option<Others>,
}

impl Spf {
    /// The most DNS queries that an evaluation may cost. RFC 7208, section 4.6.4.
    pub const MAX_QUERIES: usize = 10;

    /// Reads the record among the texts of a name.
    pub fn read(texts: &[String]) -> Result<Self, BadRecord> {
        let is_spf = |text: &str| text.split(' ').next().is_some_and(|v| v.eq_ignore_ascii_case("v=spf1"));
        let record = only(texts, is_spf)?;
        let mut spf = Self { followed: Vec::new(), queries: 0, others: Some(Others::Neutral) };
        let mut redirect = None;
        let mut has_all = false;
        for term in record.split_ascii_whitespace().skip(1) {
            let (sign, mechanism) = match term.split_at_checked(1) {
                Some((sign @ ("+" | "-" | "~" | "?"), mechanism)) => (sign, mechanism),
                _ => ("+", term),
            };
            let end = mechanism.find([':', '/', '=']).unwrap_or(mechanism.len());
            let (name, value) = mechanism.split_at(end);
            match (name.to_ascii_lowercase().as_str(), value.strip_prefix(':')) {
                ("all", _) => {
                    has_all = true;
                    spf.others = Some(match sign {
                        "+" => Others::Pass,
                        "?" => Others::Neutral,
                        _ => Others::Fail,
                    });
                }
                ("include", Some(domain)) => spf.followed.push(domain.to_ascii_lowercase()),
                ("a" | "mx" | "ptr" | "exists", _) => spf.queries += 1,
                ("ip4" | "ip6", Some(_)) => {}
                ("redirect", _) => redirect = value.strip_prefix('=').map(str::to_ascii_lowercase),
                // Other modifiers have to be ignored. RFC 7208, section 6.
                (_, None) if value.starts_with('=') => {}
                _ => return Err(BadRecord::NotUnderstood),
            }
        }
        // A redirect counts only without `all`. RFC 7208, section 6.1.
        if let Some(domain) = redirect.filter(|_| !has_all) {
            spf.followed.push(domain);
            spf.others = None;
        }
        spf.queries += spf.followed.len();
        Ok(spf)
    }
}

/// The public key of DKIM.
#[derive(Debug, PartialEq, Eq)]
pub struct DkimKey {
    /// The kind: `rsa`, `ed25519`.
    pub kind: String,
    /// Whether the domain only tries DKIM out: receivers may ignore a signature that fails.
    pub is_test: bool,
}

impl DkimKey {
    /// The bytes of the shortest RSA key that receivers accept, 1,024 bits in DER. RFC 8301, section 3.2.
    const LEAST_RSA_BYTES: usize = 158;

    /// Reads the key among the texts of a name.
    pub fn read(texts: &[String]) -> Result<Self, BadRecord> {
        let record = only(texts, |text| tag(&tags(text), "p").is_some())?;
        let tags = tags(record);
        if tag(&tags, "v").is_some_and(|version| version != "DKIM1") {
            return Err(BadRecord::NotUnderstood);
        }
        let kind = tag(&tags, "k").unwrap_or("rsa");
        let key: String = tag(&tags, "p").unwrap_or_default().split_ascii_whitespace().collect();
        if key.is_empty() {
            return Err(BadRecord::Revoked);
        }
        let bytes = STANDARD.decode(key).map_err(|_| BadRecord::NotUnderstood)?.len();
        match kind {
            "rsa" if bytes < Self::LEAST_RSA_BYTES => return Err(BadRecord::Short),
            "rsa" => {}
            // RFC 8463, section 4.2
            "ed25519" if bytes == 32 => {}
            _ => return Err(BadRecord::NotUnderstood),
        }
        let flags = tag(&tags, "t").unwrap_or_default();
        let is_test = flags.split(':').any(|flag| flag.trim() == "y");
        Ok(Self { kind: kind.to_owned(), is_test })
    }
}

/// A domain's rule for receivers of a mail that is not proven to be from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Deliver it as always.
    None,
    /// Treat it as suspicious.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl Wish {
    fn read(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "none" => Some(Self::None),
            "quarantine" => Some(Self::Quarantine),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }

    /// The name in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// A DMARC policy record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// For the domain itself.
    pub wish: Wish,
    /// For its subdomains.
    pub wish_for_subdomains: Wish,
    /// Whether the domain of the signature has to be the sender's domain exactly, and not only belong to the same organisation.
    pub is_strict: bool,
    /// Whether the domain only tries the policy out, so that receivers do less than it says.
    pub is_test: bool,
    /// Whether the reports have a recipient.
    pub has_reports: bool,
    /// Whether the domain is an organisation's (`psd=n`), or a public suffix such as `co.uk` (`psd=y`). None if it does not say.
    pub is_public_suffix: Option<bool>,
}

impl Dmarc {
    /// Reads the policy among the texts of a name `_dmarc.…`. RFC 9989, section 4.7.
    pub fn read(texts: &[String]) -> Result<Self, BadRecord> {
        let record = only(texts, |text| tags(text).first() == Some(&("v", "DMARC1")))?;
        let tags = tags(record);
        let has_reports = tag(&tags, "rua").is_some_and(|uris| uris.contains(':'));
        let wish = match tag(&tags, "p").and_then(Wish::read) {
            Some(wish) => wish,
            // A record that only requests reports counts as `p=none`.
            None if has_reports => Wish::None,
            None => return Err(BadRecord::NotUnderstood),
        };
        let is = |name: &str, value: &str| tag(&tags, name).is_some_and(|it| it.eq_ignore_ascii_case(value));
        Ok(Self {
            wish,
            wish_for_subdomains: tag(&tags, "sp").and_then(Wish::read).unwrap_or(wish),
            is_strict: is("adkim", "s"),
            is_test: is("t", "y"),
            has_reports,
            is_public_suffix: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
        })
    }
}

/// The domains whose policies decide about a sender's domain, in the order in which they are asked: at most 8. RFC 9989, section
/// 4.10.
#[must_use]
pub fn tree_walk(domain: &str) -> Vec<&str> {
    const MOST_LABELS: usize = 7;
    let mut walk = vec![domain];
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.') {
        rest = parent;
        if rest.split('.').count() <= MOST_LABELS {
            walk.push(rest);
        }
    }
    walk
}

/// The organisation's domain of a sender's domain, by the policies that the walk has found, in its order. RFC 9989, section
/// 4.10.2.
#[must_use]
pub fn organisation<'a>(walk: &[&'a str], found: &[(&'a str, Dmarc)]) -> &'a str {
    let start = walk.first().copied().unwrap_or_default();
    let below =
        |domain: &str| walk.iter().position(|it| *it == domain).and_then(|n| walk.get(n.checked_sub(1)?));
    for (domain, dmarc) in found {
        match dmarc.is_public_suffix {
            Some(false) => return domain,
            Some(true) if *domain != start => return below(domain).copied().unwrap_or(start),
            _ => {}
        }
    }
    found.last().map_or(start, |(domain, _)| domain)
}

#[cfg(test)]
mod tests;
