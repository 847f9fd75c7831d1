//! A mail that came to the address of a ticket: who wrote it, and whether a program did. The rules about programs are data
//! (`data/automatic-mail-rules.txt`).
//!
//! Anybody can write any address as the sender of a mail. A mail counts as the customer's only if both are true: it came to the
//! address of the ticket, which cannot be guessed, and its sender is the customer's address. If a mail server reports that the
//! sender is forged, we believe it.

use levqor_proto_inbound::v1 as wire;
use levqor_runtime::{email::Email, wire_enum};

wire_enum! {
    /// The outcome of a mail.
    pub(crate) enum Verdict: wire::InboundVerdict {
        /// The customer wrote it.
        Accepted = "ACCEPTED",
        /// It came from another address, or its sender is not proved.
        Stranger = "STRANGER",
        /// A program wrote it.
        Automatic = "AUTOMATIC",
        /// It is a mail of our own.
        Loop = "LOOP",
        /// Too many mails came.
        TooMany = "TOO_MANY",
        /// No ticket has this address.
        NoTicket = "NO_TICKET",
    }
}

/// The most mails to one ticket within an hour that are read as replies.
pub(crate) const MOST_PER_HOUR: i64 = 20;

/// The facts that decide about a mail.
pub(crate) struct Envelope<'a> {
    pub(crate) from: Option<&'a Email>,
    pub(crate) subject: &'a str,
    /// Names in lower case, and values.
    pub(crate) headers: &'a [(String, String)],
}

/// The rules about programs.
#[derive(Debug, Default)]
pub(crate) struct AutomaticRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    Header { name: String, begins: Option<String>, is_not: bool },
    Sender(String),
    Subject(String),
}

impl AutomaticRules {
    /// The rules that come with the service.
    pub(crate) fn shipped() -> Self {
        Self::read(include_str!("../../data/automatic-mail-rules.txt"))
    }

    fn read(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rule = |line: &str| {
            if let Some(rest) = line.strip_prefix("sender: ") {
                return Some(Rule::Sender(rest.to_owned()));
            }
            if let Some(rest) = line.strip_prefix("subject: ") {
                return Some(Rule::Subject(rest.to_owned()));
            }
            let (kind, rest) = line.split_once(' ')?;
            let (name, begins) = match rest.split_once(": ") {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            Some(Rule::Header { name: name.to_owned(), begins, is_not: kind == "header-not" })
        };
        Self { rules: lines.filter_map(rule).collect() }
    }

    fn fit(&self, mail: &Envelope<'_>) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Header { name, begins, is_not } => mail.values(name).any(|value| {
                let begins = begins.as_deref().is_none_or(|begins| value.starts_with(begins));
                begins != *is_not
            }),
            Rule::Sender(local) => {
                mail.from.is_some_and(|from| from.as_str().split('@').next() == Some(local))
            }
            Rule::Subject(begin) => mail.subject.trim().to_lowercase().starts_with(begin),
        })
    }
}

impl<'a> Envelope<'a> {
    /// The values of a header, in lower case.
    fn values(&self, name: &str) -> impl Iterator<Item = String> + use<'a, '_> {
        let name = name.to_owned();
        let lines = self.headers.iter().filter(move |(of, _)| *of == name);
        lines.map(|(_, value)| value.trim().to_lowercase())
    }

    /// Whether a mail server found that the sender is forged (RFC 8601). Without such a finding the sender is taken as it is written.
    fn is_forged(&self) -> bool {
        let failed = |value: &String| {
            let has = |result: &str| value.split([';', ' ', '\t']).any(|part| part == result);
            has("dmarc=fail") || (has("spf=fail") && !has("dkim=pass"))
        };
        self.values("authentication-results").any(|value| failed(&value))
    }
}

/// Judges a mail to a ticket of this customer. `is_own` says whether an address is one of ours, `recent` how many mails came to the
/// ticket within the last hour.
pub(crate) fn judge(
    mail: &Envelope<'_>,
    customer: Option<&Email>,
    rules: &AutomaticRules,
    is_own: impl Fn(&Email) -> bool,
    recent: i64,
) -> Verdict {
    let is_own_mail = mail.from.is_some_and(is_own) || mail.values("x-loop").next().is_some();
    if is_own_mail {
        Verdict::Loop
    } else if rules.fit(mail) {
        Verdict::Automatic
    } else if recent >= MOST_PER_HOUR {
        Verdict::TooMany
    } else if mail.is_forged() || mail.from.is_none() || mail.from != customer {
        Verdict::Stranger
    } else {
        Verdict::Accepted
    }
}

/// The address in a sender as a mail writes it: `Ada <ada@example.com>`. `None` if there is not exactly one.
pub(crate) fn address_of(from: &str) -> Option<Email> {
    let from = from.trim();
    let address = match from.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) if !name.contains('<') => address,
        Some(_) => return None,
        None => from,
    };
    address.trim().parse().ok().filter(Email::may_claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(from: &str, subject: &str, headers: &[(&str, &str)], recent: i64) -> Verdict {
        let (customer, own) = (address_of("ada@example.com"), address_of("support@levqor.ai"));
        let from = address_of(from);
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mail = Envelope { from: from.as_ref(), subject, headers: &headers };
        judge(&mail, customer.as_ref(), &AutomaticRules::shipped(), |it| Some(it) == own.as_ref(), recent)
    }

    const ADA: &str = "Ada <Ada@example.com>";

    #[test]
    fn only_the_customers_own_mail_is_accepted() {
        use Verdict::{Accepted, Stranger};
        let results = |text| [("authentication-results", text)];
        assert_eq!(judged(ADA, "Re: Help", &[], 0), Accepted);
        assert_eq!(judged(ADA, "", &results("mx; spf=fail; dkim=pass; dmarc=pass"), 19), Accepted);
        for (from, headers) in [
            ("Ada <eve@example.com>", [("x", "")]),
            ("\"ada@example.com\" <eve@example.org>", [("x", "")]),
            ("ada@example.com, eve@example.org", [("x", "")]),
            ("a <ada@example.com> <eve@example.org>", [("x", "")]),
            ("", [("x", "")]),
            (
                ADA,
                results(
                    "mx.example.net; spf=pass smtp.mailfrom=evil.example; dmarc=fail header.from=example.com",
                ),
            ),
            (ADA, results("mx; spf=fail; dkim=none")),
        ] {
            assert_eq!(judged(from, "Re: Help", &headers, 0), Stranger, "{from} {headers:?}");
        }
    }

    #[test]
    fn automatic_mails_and_loops_are_recognised_from_every_sender() {
        use Verdict::{Accepted, Automatic, Loop, TooMany};
        for (header, value, verdict) in [
            ("auto-submitted", "auto-replied", Automatic),
            ("auto-submitted", "Auto-Generated; owner=x", Automatic),
            ("auto-submitted", "no", Accepted),
            ("precedence", "Bulk", Automatic),
            ("precedence", "first-class", Accepted),
            ("x-autoreply", "yes", Automatic),
            ("return-path", "<>", Automatic),
            ("return-path", "<ada@example.com>", Accepted),
            ("list-id", "<a.example.com>", Automatic),
            ("x-loop", "ticket-1@in.levqor.ai", Loop),
            ("x-auto-response-suppress", "All", Accepted),
        ] {
            assert_eq!(judged(ADA, "Re: Help", &[(header, value)], 0), verdict, "{header}: {value}");
        }
        for subject in
            ["Automatic reply: Help", "Out of Office", "Undeliverable: Help", "Réponse automatique : x"]
        {
            assert_eq!(judged(ADA, subject, &[], 0), Automatic, "{subject}");
        }
        assert_eq!(judged("MAILER-DAEMON@example.com", "x", &[], 0), Automatic);
        assert_eq!(judged("Levqor <support@levqor.ai>", "x", &[], 0), Loop);
        assert_eq!(judged(ADA, "Re: Help", &[], MOST_PER_HOUR), TooMany);
        assert_eq!(judged(ADA, "Out of office", &[], MOST_PER_HOUR), Automatic);
    }
}
