//! The checks of `levqor doctor`: whether the mail providers accept our login and our sender, whether receivers trust the
//! senders' domains, and whether the local mailbox can be written. The checks send no mail.

mod operators;
mod sender_domain;
mod smtp;

use std::{collections::BTreeSet, time::Duration};

use levqor_runtime::{
    check::{self, Check, Finding},
    client::{ApiBase, vendor_client},
    clock::Clock,
    db::{DatabaseUrl, DbError},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::{Connection, PgConnection};

use crate::{
    config::{
        Config,
        mail::{MailConfig, ProviderName},
    },
    domain::{
        header::Headers,
        message::{Mail, MessageId},
        sender::Sender,
        smtp_url::Encryption,
    },
    store,
};

const RESEND: &str = "notifications.mail_resend";
const MAILBOX: &str = "notifications.mail_mailbox";
const TIMEOUT: Duration = Duration::from_secs(10);

/// All checks that this configuration allows.
pub(crate) fn checks(config: &Config, database: Option<&DatabaseUrl>) -> Vec<Check> {
    let mail = &config.mail;
    let goes_out = |setting: &str| {
        Finding::off(format!("{setting} is set: mail goes out"), format!("leave {setting} unset"))
    };
    let mailbox = match mail.order.first() {
        Some(ProviderName::Resend) => Check::known(MAILBOX, goes_out("RESEND_API_KEY")),
        Some(ProviderName::Smtp) => Check::known(MAILBOX, goes_out("SMTP_URL")),
        None | Some(ProviderName::Mailbox) => mailbox(database),
    };
    let mut checks = vec![mailbox, resend(config), smtp::check(config)];
    checks.extend(domain_checks(config));
    checks.extend(operators::checks(&config.operators));
    checks
}

/// Whether receivers trust every sender's domain. A provider on this machine delivers to no one, so no receiver looks
/// up the DNS records of a domain.
fn domain_checks(config: &Config) -> Vec<Check> {
    let mail = &config.mail;
    let off = |why: &str, to_do: &str| {
        let off = Finding::off(why, to_do);
        sender_domain::NAMES.map(|name| Check::known(name, off.clone())).into()
    };
    match mail.order.first() {
        None | Some(ProviderName::Mailbox) => {
            return off(
                "mail stays in the local mailbox, and reaches nobody",
                "set RESEND_API_KEY or SMTP_URL",
            );
        }
        Some(ProviderName::Resend)
            if mail.resend_base.as_str().starts_with("http:") && config.dns_server.is_none() =>
        {
            let why = "RESEND_API_BASE is on this machine: no receiver judges the domain";
            return off(why, "leave RESEND_API_BASE unset");
        }
        Some(ProviderName::Smtp) if is_smtp_here(mail) && config.dns_server.is_none() => {
            let why = "SMTP_URL is on this machine: no receiver judges the domain";
            return off(why, "set SMTP_URL to a server that delivers mail");
        }
        Some(_) => {}
    }
    sender_domain::checks(&sender_domains(mail), config.dkim_selector.as_str(), config.dns_server).into()
}

/// Every domain of a sender.
fn sender_domains(mail: &MailConfig) -> BTreeSet<String> {
    let domain =
        |sender: &Sender| sender.address.as_str().rsplit_once('@').map(|(_, domain)| domain.to_owned());
    mail.senders.iter().filter_map(domain).collect()
}

/// Whether the SMTP server is on this machine. The settings allow a connection without encryption only to this machine.
fn is_smtp_here(mail: &MailConfig) -> bool {
    mail.smtp_url.as_ref().is_some_and(|url| url.encryption == Encryption::None)
}

/// Whether Resend accepts our key, and every sender's domain.
fn resend(config: &Config) -> Check {
    let mail = &config.mail;
    let Some(key) = mail.resend_key.clone() else {
        let why = if mail.smtp_url.is_some() {
            "RESEND_API_KEY is not set: mail goes out through SMTP_URL"
        } else {
            "RESEND_API_KEY is not set: mail stays in the local mailbox, and reaches nobody"
        };
        return Check::known(RESEND, Finding::off(why, "set RESEND_API_KEY to a key of Resend's API"));
    };
    let (base, ours) = (mail.resend_base.clone(), sender_domains(mail));
    let asked = format!("GET {base}domains");
    Check::new(RESEND, asked, async move { domains(&base, &key, &ours).await })
}

/// Whether the mailbox accepts mail. The check inserts a mail and rolls back, so it is never visible.
fn mailbox(database: Option<&DatabaseUrl>) -> Check {
    let Some(url) = database.cloned() else {
        let why = "the database of the mailbox is not known here";
        return Check::known(MAILBOX, Finding::off(why, "set LEVQOR_DATABASE_URL, or start `levqor up`"));
    };
    Check::new(MAILBOX, "INSERT INTO mailbox, rolled back", async move {
        match try_mailbox(&url).await {
            Ok(()) => Finding::on("it takes mail"),
            Err(error) => Finding::failed(format!("it takes no mail: {error}")),
        }
    })
}

async fn try_mailbox(url: &DatabaseUrl) -> Result<(), DbError> {
    let now = Clock::default().now();
    let Ok(nobody) = "nobody@levqor.invalid".parse() else { return Ok(()) };
    let mail = Mail {
        message_id: MessageId::new_at(now),
        round: 1,
        key: String::new(),
        sender: String::new(),
        reply_to: None,
        recipient: nobody,
        subject: String::new(),
        headers: Headers::default(),
        text: String::new(),
        html: String::new(),
    };
    let mut conn = PgConnection::connect_with(url.options()).await?;
    let mut transaction = conn.begin().await?;
    store::mailbox::take(&mut transaction, &mail, now).await?;
    transaction.rollback().await?;
    Ok(())
}

/// <https://resend.com/docs/api-reference/domains/list-domains>
#[derive(Deserialize)]
struct Domains {
    data: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    name: String,
    status: String,
}

#[derive(Deserialize)]
struct Failure {
    name: String,
}

async fn domains(base: &ApiBase, key: &SecretString, ours: &BTreeSet<String>) -> Finding {
    let request = async {
        let client = vendor_client(base, TIMEOUT, false)?;
        let answer = client.get(format!("{base}domains")).bearer_auth(key.expose_secret()).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await?))
    };
    match request.await {
        Ok((status, body)) => judge(status, &body, ours),
        Err(error) => Finding::failed(check::clock::words(&error)),
    }
}

/// Turns an answer into a finding. It shows no text of the answer, because the text may quote an address.
fn judge(status: u16, body: &[u8], ours: &BTreeSet<String>) -> Finding {
    let restricted =
        || serde_json::from_slice(body).is_ok_and(|Failure { name }| name == "restricted_api_key");
    match status {
        200 => match serde_json::from_slice::<Domains>(body) {
            Err(_) => Finding::failed("200, but the answer is no list of domains"),
            Ok(Domains { data }) => {
                let wrong = ours.iter().find_map(|ours| {
                    match data.iter().find(|it| it.name.eq_ignore_ascii_case(ours)) {
                        Some(domain) if domain.status == "verified" => None,
                        Some(_) => Some(format!("200, but {ours} of LEVQOR_MAIL_FROM is not verified yet")),
                        None => Some(format!("200, but {ours} of LEVQOR_MAIL_FROM is not among the domains")),
                    }
                });
                let all = ours.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let good = || Finding::on(format!("200, the key is good and {all} is verified"));
                wrong.map_or_else(good, Finding::failed)
            }
        },
        // This key may send mail and do nothing else. We need no other right.
        401 if restricted() => Finding::on("401 restricted_api_key: the key is good, for sending only"),
        401 | 403 => Finding::failed(format!("{status}: RESEND_API_KEY is refused")),
        404 | 405 => {
            Finding::warning(format!("{status}: it answers, but lists no domains, so the key is not proven"))
        }
        status => Finding::failed(status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_key_and_a_verified_domain_are_on() {
        let domains =
            |name: &str, status: &str| format!(r#"{{"data": [{{"name": "{name}", "status": "{status}"}}]}}"#);
        for (status, body, expected) in [
            (200, domains("levqor.ai", "verified"), "On 200, the key is good and levqor.ai is verified"),
            (
                200,
                domains("levqor.ai", "pending"),
                "Failed 200, but levqor.ai of LEVQOR_MAIL_FROM is not verified yet",
            ),
            (
                200,
                domains("b.c", "verified"),
                "Failed 200, but levqor.ai of LEVQOR_MAIL_FROM is not among the domains",
            ),
            (200, "<html>".to_owned(), "Failed 200, but the answer is no list of domains"),
            (
                401,
                r#"{"name": "restricted_api_key"}"#.to_owned(),
                "On 401 restricted_api_key: the key is good, for sending only",
            ),
            (401, r#"{"name": "missing_api_key"}"#.to_owned(), "Failed 401: RESEND_API_KEY is refused"),
            (403, r#"{"message": "ada@example.com"}"#.to_owned(), "Failed 403: RESEND_API_KEY is refused"),
            (404, String::new(), "Warning 404: it answers, but lists no domains, so the key is not proven"),
            (500, "ada@example.com".to_owned(), "Failed 500"),
        ] {
            let Finding { outcome, evidence, .. } =
                judge(status, body.as_bytes(), &BTreeSet::from(["levqor.ai".to_owned()]));
            assert_eq!(format!("{outcome:?} {evidence}"), expected);
        }
    }
}
