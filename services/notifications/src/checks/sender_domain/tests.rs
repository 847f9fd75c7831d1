//! The checks against a DNS server on this machine.

use std::collections::HashMap;

use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{Name, Record, rdata},
};
use levqor_runtime::{
    check,
    config::{Env, Reader},
};
use tokio::net::UdpSocket;

use super::*;
use crate::{checks::domain_checks, config::Config};

/// Starts a DNS server with these records: `name KIND value`, one a line. It runs until the test ends.
async fn server(zone: &str) -> SocketAddr {
    let mut records: HashMap<(String, RecordType), Vec<Record>> = HashMap::new();
    for line in zone.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(' ').expect("a name");
        let (kind, value) = rest.split_once(' ').expect("a kind");
        let data = match kind {
            "MX" => RData::MX(rdata::MX::new(10, Name::from_ascii(value).expect("a host"))),
            // A text has pieces of at most 255 bytes.
            _ => RData::TXT(rdata::TXT::from_bytes(value.as_bytes().chunks(100).collect())),
        };
        let name = Name::from_ascii(format!("{name}.")).expect("a name");
        let key = (name.to_string(), data.record_type());
        records.entry(key).or_default().push(Record::from_rdata(name, 60, data));
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    #[expect(clippy::disallowed_methods, reason = "the server of a test ends with the test's runtime")]
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let answer = answer(&records, &buffer[..length]);
            socket.send_to(&answer, client).await.expect("sent");
        }
    });
    address
}

fn answer(records: &HashMap<(String, RecordType), Vec<Record>>, query: &[u8]) -> Vec<u8> {
    let query = Message::from_vec(query).expect("a query");
    let question = query.queries[0].clone();
    let name = question.name().to_string().to_lowercase();
    let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_available = true;
    match records.get(&(name.clone(), question.query_type())) {
        _ if name.starts_with("broken.") => answer.metadata.response_code = ResponseCode::ServFail,
        Some(found) => {
            answer.add_answers(found.clone());
        }
        None => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer.add_query(question);
    answer.to_vec().expect("an answer")
}

/// The lines of the checks of a domain: `ON evidence`.
async fn told(domain: &str, zone: &str) -> [String; 4] {
    let server = server(zone).await;
    let domains = BTreeSet::from([domain.to_owned()]);
    let lines = check::run(checks(&domains, "resend", Some(server)).into()).await;
    let told: Vec<_> = lines
        .iter()
        .map(|line| format!("{} {}", line.finding.outcome.as_str(), line.finding.evidence))
        .collect();
    told.try_into().expect("four lines")
}

/// As the DNS of a domain that Resend sends for.
const GOOD: &str = "
    levqor.ai MX mx.levqor.ai.
    send.levqor.ai TXT v=spf1 include:amazonses.com ~all
    amazonses.com TXT v=spf1 ip4:192.0.2.0/24 -all
    resend._domainkey.levqor.ai TXT p=KEY
    _dmarc.levqor.ai TXT v=DMARC1; p=reject; rua=mailto:dmarc@levqor.ai
";

/// A zone with a key of 1,024 bits in place of `KEY`.
fn zone(text: &str) -> String {
    let key = format!("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ{}", "A".repeat(178));
    text.replace("KEY", &key)
}

#[tokio::test]
async fn a_domain_that_receivers_trust_is_on() {
    let expected = [
        "ON 1: replies arrive at mx.levqor.ai.",
        "ON SPF of send.levqor.ai: 1 of 10 DNS queries; other servers fail",
        "ON resend._domainkey.levqor.ai: rsa key, aligned with levqor.ai",
        "ON _dmarc.levqor.ai: reject",
    ];
    assert_eq!(told("levqor.ai", &zone(GOOD)).await, expected);
}

#[tokio::test]
async fn a_subdomain_is_judged_by_its_organisation() {
    let good =
        zone(GOOD).replace("send.levqor.ai", "send.mail.levqor.ai").replace("p=reject", "p=reject; sp=none");
    let [mx, spf, dkim, dmarc] = told("mail.levqor.ai", &good).await;
    assert_eq!(mx, "FAILED mail.levqor.ai has no MX record: replies to our mails do not arrive");
    assert!(spf.starts_with("ON SPF of send.mail.levqor.ai: "), "{spf}");
    assert_eq!(dkim, "ON resend._domainkey.levqor.ai: rsa key, aligned with mail.levqor.ai");
    assert!(dmarc.starts_with("WARNING _dmarc.levqor.ai: none: forged mails are delivered"), "{dmarc}");
    let strict = good.replace("adkim=r", "").replace("p=reject", "p=reject; adkim=s");
    let [_, _, dkim, _] = told("mail.levqor.ai", &strict).await;
    assert!(dkim.starts_with("FAILED ") && dkim.contains("is not aligned with mail.levqor.ai"), "{dkim}");
}

#[tokio::test]
async fn every_senders_domain_is_looked_up_as_the_settings_say() {
    let other = "
        pay.levqor.ai MX mx.levqor.ai.
    ";
    let good = GOOD.replace("resend._domainkey", "own._domainkey");
    let server = server(&zone(&format!("{good}{other}"))).await;
    let server = server.to_string();
    let env = Env::from_pairs([
        ("LEVQOR_ADDRESS_KEY", "0123456789abcdef0123456789abcdef"),
        ("RESEND_API_KEY", "re_1"),
        ("LEVQOR_MAIL_FROM_BILLING", "billing@pay.levqor.ai"),
        ("LEVQOR_MAIL_FROM_SUPPORT", "support@levqor.ai"),
        ("LEVQOR_DKIM_SELECTOR", "own"),
        ("LEVQOR_DNS_SERVER", server.as_str()),
    ]);
    let mut reader = Reader::new(&env);
    let config = Config::read(&mut reader).expect("a configuration");
    let lines = check::run(domain_checks(&config)).await;
    let asked: Vec<_> = lines.iter().map(|line| line.asked.as_str()).collect();
    assert_eq!(asked[0], "MX levqor.ai, MX pay.levqor.ai");
    let told: Vec<_> =
        lines.iter().map(|line| (line.finding.outcome, line.finding.evidence.as_str())).collect();
    let mx =
        "levqor.ai: 1: replies arrive at mx.levqor.ai.; pay.levqor.ai: 1: replies arrive at mx.levqor.ai.";
    assert_eq!(told[0], (Outcome::On, mx));
    assert_eq!(told[1].0, Outcome::Failed, "pay.levqor.ai has no SPF record: {}", told[1].1);
    assert!(told[1].1.contains("pay.levqor.ai: SPF of pay.levqor.ai: "), "{}", told[1].1);
    assert_eq!(told[2].0, Outcome::On, "{}", told[2].1);
    assert!(
        told[2].1.contains("own._domainkey.levqor.ai: rsa key, aligned with pay.levqor.ai"),
        "{}",
        told[2].1
    );
}

#[tokio::test]
async fn records_that_receivers_would_not_trust_are_named() {
    let none = told("levqor.ai", "").await;
    assert!(none.iter().all(|line| line.starts_with("FAILED ")), "{none:?}");
    let loose = "
        levqor.ai MX .
        levqor.ai TXT v=spf1 mx +all
        resend._domainkey.levqor.ai TXT v=DKIM1; t=y; p=KEY
        _dmarc.levqor.ai TXT v=DMARC1; p=quarantine
    ";
    let expected = [
        "FAILED levqor.ai says that it takes no mail",
        "FAILED SPF of levqor.ai: 1 of 10 DNS queries; it lets everybody send",
        "WARNING resend._domainkey.levqor.ai: rsa key, but with t=y it is only tried out",
        "WARNING _dmarc.levqor.ai: quarantine, but nobody gets the reports: add rua",
    ];
    assert_eq!(told("levqor.ai", &zone(loose)).await, expected);
    let wrong = "
        send.levqor.ai TXT v=spf1 include:gone.example ~all
        resend._domainkey.levqor.ai TXT v=DKIM1; p=
        _dmarc.levqor.ai TXT v=DMARC1; p=none
        _dmarc.levqor.ai TXT v=DMARC1; p=reject
    ";
    let [_, spf, dkim, dmarc] = told("levqor.ai", wrong).await;
    assert_eq!(spf, "FAILED SPF of send.levqor.ai, at gone.example: there is no record");
    assert_eq!(dkim, "FAILED resend._domainkey.levqor.ai: the key is revoked");
    assert_eq!(dmarc, "FAILED _dmarc.levqor.ai: there are several records, so receivers use none");
}

#[tokio::test]
async fn a_record_that_includes_itself_ends() {
    let [_, spf, ..] = told("levqor.ai", "send.levqor.ai TXT v=spf1 include:send.levqor.ai -all").await;
    assert_eq!(spf, "FAILED SPF of send.levqor.ai: 11 of 10 DNS queries: receivers stop reading");
}

#[tokio::test]
async fn a_dns_that_fails_is_no_missing_record() {
    let [mx, ..] = told("broken.example", "").await;
    assert!(mx.starts_with("FAILED the DNS does not answer: "), "{mx}");
}
