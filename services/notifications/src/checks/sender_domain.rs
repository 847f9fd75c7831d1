//! Checks the DNS records of the senders' domains: without them, receivers take our mails for forged ones. The check makes
//! the DNS queries that a receiver makes. It sends no mail.

use std::{collections::BTreeSet, net::SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use levqor_runtime::check::{Check, Finding, Outcome};

use crate::domain::mail_records::{BadRecord, DkimKey, Dmarc, Others, Spf, Wish, organisation, tree_walk};

const MX: &str = "notifications.sender_mx";
const SPF: &str = "notifications.sender_spf";
const DKIM: &str = "notifications.sender_dkim";
const DMARC: &str = "notifications.sender_dmarc";

/// The names of the checks.
pub(super) const NAMES: [&str; 4] = [MX, SPF, DKIM, DMARC];

/// A question about a domain. Each has a line of its own in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Mx,
    Spf,
    Dkim,
    Dmarc,
}

impl Question {
    const ALL: [Self; 4] = [Self::Mx, Self::Spf, Self::Dkim, Self::Dmarc];

    const fn name(self) -> &'static str {
        match self {
            Self::Mx => MX,
            Self::Spf => SPF,
            Self::Dkim => DKIM,
            Self::Dmarc => DMARC,
        }
    }

    /// The queries to the DNS.
    fn asked(self, domain: &str, selector: &str) -> String {
        match self {
            Self::Mx => format!("MX {domain}"),
            Self::Spf => format!("TXT send.{domain}, TXT {domain}"),
            Self::Dkim => format!("TXT {selector}._domainkey.{domain}"),
            Self::Dmarc => format!("TXT _dmarc.{domain}"),
        }
    }

    async fn ask(self, dns: &TokioResolver, domain: &str, selector: &str) -> Result<Finding, NetError> {
        match self {
            Self::Mx => mail_exchangers(dns, domain).await,
            Self::Spf => senders(dns, domain).await,
            Self::Dkim => key(dns, domain, selector).await,
            Self::Dmarc => policy(dns, domain).await,
        }
    }
}

/// The checks of these domains, whose keys of DKIM are under this selector. `server` is the DNS server; none: the machine's.
pub(super) fn checks(domains: &BTreeSet<String>, selector: &str, server: Option<SocketAddr>) -> [Check; 4] {
    Question::ALL.map(|question| {
        let asked: Vec<_> = domains.iter().map(|domain| question.asked(domain, selector)).collect();
        let (domains, selector) = (domains.clone(), selector.to_owned());
        Check::new(question.name(), asked.join(", "), async move {
            found(about_all(question, &domains, &selector, server).await)
        })
    })
}

/// The finding about all domains: the worst outcome, and the evidence of each domain.
async fn about_all(
    question: Question,
    domains: &BTreeSet<String>,
    selector: &str,
    server: Option<SocketAddr>,
) -> Result<Finding, NetError> {
    let dns = resolver(server)?;
    let (mut worst, mut evidence) = (Outcome::On, Vec::new());
    for domain in domains {
        let finding = found(question.ask(&dns, domain, selector).await);
        worst = match (worst, finding.outcome) {
            (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
            (Outcome::Warning, _) | (_, Outcome::Warning) => Outcome::Warning,
            (Outcome::On | Outcome::Off, Outcome::On | Outcome::Off) => Outcome::On,
        };
        evidence.push(match domains.len() {
            1 => finding.evidence,
            _ => format!("{domain}: {}", finding.evidence),
        });
    }
    Ok(Finding { outcome: worst, evidence: evidence.join("; "), turn_on: None })
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let Some(server) = server else { return TokioResolver::builder_tokio()?.build() };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_name_servers(vec![server]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

fn found(finding: Result<Finding, NetError>) -> Finding {
    finding.unwrap_or_else(|error| Finding::failed(format!("the DNS does not answer: {error}")))
}

/// The records of a name; none if the name does not exist.
async fn records(dns: &TokioResolver, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
    // The dot at the end keeps the machine's search domains out.
    match dns.lookup(format!("{name}."), kind).await {
        Ok(lookup) => Ok(lookup.answers().iter().map(|record| record.data.clone()).collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The texts of a name. The pieces of one text belong together.
async fn texts(dns: &TokioResolver, name: &str) -> Result<Vec<String>, NetError> {
    let records = records(dns, name, RecordType::TXT).await?;
    let text = |record: &RData| match record {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    };
    Ok(records.iter().filter_map(text).collect())
}

/// Whether replies to our mails, and reports of receivers, can be delivered.
async fn mail_exchangers(dns: &TokioResolver, domain: &str) -> Result<Finding, NetError> {
    let records = records(dns, domain, RecordType::MX).await?;
    let exchanger = |record: &RData| match record {
        RData::MX(mx) => Some(mx.exchange.clone()),
        _ => None,
    };
    let servers: Vec<_> = records.iter().filter_map(exchanger).collect();
    Ok(match servers.len() {
        0 => Finding::failed(format!("{domain} has no MX record: replies to our mails do not arrive")),
        // RFC 7505
        1 if servers[0].is_root() => Finding::failed(format!("{domain} says that it takes no mail")),
        count => Finding::on(format!("{count}: replies arrive at {}", servers[0])),
    })
}

/// Whether SPF lets the provider send. Providers put their own domain for bounces, `send.…`, before ours; a server of ours has
/// none.
async fn senders(dns: &TokioResolver, domain: &str) -> Result<Finding, NetError> {
    let below = format!("send.{domain}");
    let (name, spf) = match Spf::read(&texts(dns, &below).await?) {
        Err(BadRecord::Missing) => (domain, Spf::read(&texts(dns, domain).await?)),
        record => (below.as_str(), record),
    };
    let spf = match spf {
        Ok(spf) => spf,
        Err(error) => return Ok(Finding::failed(format!("SPF of {name}: {error}"))),
    };
    let (queries, others) = match evaluate(dns, spf).await? {
        Ok(evaluation) => evaluation,
        Err((at, error)) => return Ok(Finding::failed(format!("SPF of {name}, at {at}: {error}"))),
    };
    let cost = format!("SPF of {name}: {queries} of {} DNS queries", Spf::MAX_QUERIES);
    Ok(match others {
        _ if queries > Spf::MAX_QUERIES => Finding::failed(format!("{cost}: receivers stop reading")),
        Others::Pass => Finding::failed(format!("{cost}; it lets everybody send")),
        Others::Neutral => {
            Finding::warning(format!("{cost}; it says nothing of other servers, end it with ~all"))
        }
        Others::Fail => Finding::on(format!("{cost}; other servers fail")),
    })
}

/// Evaluates an SPF record with all records that it includes: how many DNS queries this costs, and how mails of other servers are
/// treated. The inner error is the name whose record cannot be used.
async fn evaluate(
    dns: &TokioResolver,
    spf: Spf,
) -> Result<Result<(usize, Others), (String, BadRecord)>, NetError> {
    let (mut queries, mut others) = (spf.queries, spf.others);
    let mut rest = spf.followed;
    while let Some(name) = rest.pop() {
        // A name with macros depends on the mail, so its record cannot be read here.
        if queries > Spf::MAX_QUERIES || name.contains('%') {
            continue;
        }
        match Spf::read(&texts(dns, &name).await?) {
            Ok(next) => {
                queries += next.queries;
                // With a redirect, the last record of the chain decides.
                others = others.or(next.others);
                rest.extend(next.followed);
            }
            Err(error) => return Ok(Err((name, error))),
        }
    }
    Ok(Ok((queries, others.unwrap_or(Others::Neutral))))
}

/// Whether DNS has the key that verifies our provider's signatures, and whether the key's domain is aligned with the sender's.
async fn key(dns: &TokioResolver, domain: &str, selector: &str) -> Result<Finding, NetError> {
    let walk = tree_walk(domain);
    let found = policies(dns, &walk).await?;
    let organisation = organisation(&walk, &found);
    let mut places = vec![domain];
    places.extend((organisation != domain).then_some(organisation));
    for place in places {
        let name = format!("{selector}._domainkey.{place}");
        let key = match DkimKey::read(&texts(dns, &name).await?) {
            Err(BadRecord::Missing) => continue,
            Err(error) => return Ok(Finding::failed(format!("{name}: {error}"))),
            Ok(key) => key,
        };
        let is_strict = found.first().is_some_and(|(_, dmarc)| dmarc.is_strict);
        return Ok(if place != domain && is_strict {
            Finding::failed(format!(
                "{name}: DMARC asks for adkim=s, so a key of {place} is not aligned with {domain}"
            ))
        } else if key.is_test {
            Finding::warning(format!("{name}: {} key, but with t=y it is only tried out", key.kind))
        } else {
            Finding::on(format!("{name}: {} key, aligned with {domain}", key.kind))
        });
    }
    let missing = BadRecord::Missing;
    Ok(Finding::failed(format!("{selector}._domainkey.{domain}: {missing}; see LEVQOR_DKIM_SELECTOR")))
}

/// The policies that a walk finds, in its order. What cannot be read counts as none.
async fn policies<'a>(dns: &TokioResolver, walk: &[&'a str]) -> Result<Vec<(&'a str, Dmarc)>, NetError> {
    let mut found = Vec::new();
    for domain in walk {
        if let Ok(dmarc) = Dmarc::read(&texts(dns, &format!("_dmarc.{domain}")).await?) {
            let is_end = dmarc.is_public_suffix == Some(false);
            found.push((*domain, dmarc));
            if is_end {
                break;
            }
        }
    }
    Ok(found)
}

/// Whether there is a policy: Gmail and Yahoo refuse mails in bulk from a domain without one.
async fn policy(dns: &TokioResolver, domain: &str) -> Result<Finding, NetError> {
    let own = Dmarc::read(&texts(dns, &format!("_dmarc.{domain}")).await?);
    if let Err(error @ (BadRecord::Several | BadRecord::NotUnderstood)) = own {
        return Ok(Finding::failed(format!("_dmarc.{domain}: {error}")));
    }
    let walk = tree_walk(domain);
    let found = policies(dns, &walk).await?;
    let organisation = organisation(&walk, &found);
    let of = |name: &str| found.iter().find(|(domain, _)| *domain == name);
    let Some((place, dmarc)) = of(domain).or_else(|| of(organisation)).or(found.last()) else {
        return Ok(Finding::failed(format!(
            "{domain} has no DMARC policy: large receivers refuse its mails"
        )));
    };
    let wish = if *place == domain { dmarc.wish } else { dmarc.wish_for_subdomains };
    let says = format!("_dmarc.{place}: {}", wish.as_str());
    Ok(if dmarc.is_test {
        Finding::warning(format!("{says}, but with t=y it is only tried out"))
    } else if wish == Wish::None {
        Finding::warning(format!("{says}: forged mails are delivered; go on to quarantine or reject"))
    } else if !dmarc.has_reports {
        Finding::warning(format!("{says}, but nobody gets the reports: add rua"))
    } else {
        Finding::on(says)
    })
}

#[cfg(test)]
mod tests;
