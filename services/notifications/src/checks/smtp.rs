//! The check of the SMTP server: connects, encrypts, says EHLO, and logs in. It sends no mail.

use std::{path::Path, time::Duration};

use levqor_runtime::check::{Check, Finding};
use tokio::time::timeout;

use crate::{
    config::Config,
    domain::{reply, smtp_url::SmtpUrl},
    provider::smtp::SmtpServer,
};

const NAME: &str = "notifications.mail_smtp";
const TIMEOUT: Duration = Duration::from_secs(10);

/// The check, for this configuration.
pub(super) fn check(config: &Config) -> Check {
    let Some(url) = config.mail.smtp_url.clone() else {
        let off =
            Finding::off("SMTP_URL is not set", "set SMTP_URL to the server that takes mail, with its login");
        return Check::known(NAME, off);
    };
    let ca = config.mail.smtp_ca.clone();
    let asked = format!("EHLO to {}:{}", url.host, url.port);
    Check::new(NAME, asked, async move { look(&url, ca.as_deref()).await })
}

async fn look(url: &SmtpUrl, ca: Option<&Path>) -> Finding {
    let server = match SmtpServer::try_new(url, ca) {
        Ok(server) => server,
        Err(error) => return Finding::failed(error.to_string()),
    };
    match timeout(TIMEOUT, server.connect()).await {
        Err(_) => Finding::failed("no answer in time"),
        Ok(Ok(mut connection)) => {
            let encrypted = if connection.is_encrypted() { "encrypted" } else { "not encrypted" };
            let login = if url.login.is_some() { "the login is accepted" } else { "without a login" };
            drop(timeout(TIMEOUT, connection.quit()).await);
            Finding::on(format!("it answers, {encrypted}, {login}"))
        }
        Ok(Err(error)) => Finding::failed(words(&error)),
    }
}

/// Says what failed, without the server's text.
fn words(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => {
            let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let codes = reply::codes(&format!("{code} {text}"));
            let meaning =
                if codes.starts_with("53") { "the login of SMTP_URL is refused" } else { "it refuses us" };
            format!("{codes}: {meaning}")
        }
        None if error.is_tls() => {
            "no encrypted connection could be made: its certificate is not trusted, or it speaks no TLS"
                .to_owned()
        }
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_client() => {
            "it does not offer what SMTP_URL needs: STARTTLS, or a login with a password".to_owned()
        }
        None => "no connection could be made".to_owned(),
    }
}
