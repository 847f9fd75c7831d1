//! The checks of `levqor doctor`: whether the mail provider accepts our key and our sender, and whether the local mailbox can be
//! written. The checks send no mail.

use std::time::Duration;

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
    config::Config,
    domain::message::{Mail, MessageId},
    store,
};

const RESEND: &str = "notifications.mail_resend";
const MAILBOX: &str = "notifications.mail_mailbox";
const PATIENCE: Duration = Duration::from_secs(10);

/// All checks that this configuration allows.
pub(crate) fn checks(config: &Config, database: Option<&DatabaseUrl>) -> Vec<Check> {
    let Some(key) = config.resend_key.clone() else {
        let why = "RESEND_API_KEY is not set: mail stays in the local mailbox, and reaches nobody";
        let off = Finding::off(why, "set RESEND_API_KEY to a key of Resend's API");
        return vec![mailbox(database), Check::known(RESEND, off)];
    };
    let base = config.resend_base.clone();
    let address = config.sender.address.as_str();
    let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    let asked = format!("GET {base}domains");
    let why = Finding::off("RESEND_API_KEY is set: mail goes out", "leave RESEND_API_KEY unset");
    vec![
        Check::known(MAILBOX, why),
        Check::new(RESEND, asked, async move { domains(&base, &key, &domain).await }),
    ]
}

/// Whether the mailbox accepts mail. The check inserts a mail and rolls back, so nobody sees it.
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
        key: String::new(),
        sender: String::new(),
        recipient: nobody,
        subject: String::new(),
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

async fn domains(base: &ApiBase, key: &SecretString, ours: &str) -> Finding {
    let request = async {
        let client = vendor_client(base, PATIENCE, false)?;
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
fn judge(status: u16, body: &[u8], ours: &str) -> Finding {
    let restricted =
        || serde_json::from_slice(body).is_ok_and(|Failure { name }| name == "restricted_api_key");
    match status {
        200 => match serde_json::from_slice::<Domains>(body) {
            Err(_) => Finding::failed("200, but the answer is no list of domains"),
            Ok(Domains { data }) => match data.iter().find(|domain| domain.name.eq_ignore_ascii_case(ours)) {
                Some(domain) if domain.status == "verified" => {
                    Finding::on(format!("200, the key is good and {ours} is verified"))
                }
                Some(_) => {
                    Finding::failed(format!("200, but {ours} of LEVQOR_MAIL_FROM is not verified yet"))
                }
                None => {
                    Finding::failed(format!("200, but {ours} of LEVQOR_MAIL_FROM is not among the domains"))
                }
            },
        },
        // A key for sending only has the fewest rights, and we need no other right.
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
            let Finding { outcome, evidence, .. } = judge(status, body.as_bytes(), "levqor.ai");
            assert_eq!(format!("{outcome:?} {evidence}"), expected);
        }
    }
}
