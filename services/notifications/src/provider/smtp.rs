//! The client of an SMTP server (RFC 5321) that takes our mail and passes it on.
//!
//! SMTP has no idempotency keys. The server has the mail once it answers 250 to the end of the data. Before the data
//! begins, it certainly does not have the mail. If it gives no answer after that, the attempt is ambiguous.

mod connection;
mod mime;

use std::{path::Path, time::Duration};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        client::AsyncSmtpConnection,
        commands::{Data, Mail as MailFrom, Noop, Rcpt},
        extension::{Extension, MailParameter},
    },
};
use tokio::time::timeout;

use self::connection::Server;
use super::{Answer, Refusal, Trouble};
use crate::domain::{
    delivery::{KeyMemory, TIMEOUT_S},
    message::{Mail, Receipt},
    reply::{self, ReplyClass},
    smtp_url::SmtpUrl,
};

pub(crate) use self::connection::{NoClient, Server as SmtpServer};

/// How long a whole attempt may take.
const TIMEOUT: Duration = Duration::from_secs(TIMEOUT_S as u64);

/// A client of one server.
pub struct Smtp {
    server: Server,
    identity: String,
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No connection, or no login yet.
    Connect,
    /// The connection is open, but the server has not accepted the sender yet.
    Sender,
    /// The server has accepted the sender, but not the recipient or the start of the data yet.
    Recipient,
    /// The server may have the mail.
    Handed,
}

impl Smtp {
    /// The provider name in receipts.
    pub const NAME: &str = "smtp";
    /// No server remembers keys.
    pub const KEY_MEMORY: KeyMemory = KeyMemory::NONE;

    /// Creates a client. `ca` is a file with the certificate of a private authority.
    pub fn try_new(url: &SmtpUrl, ca: Option<&Path>) -> Result<Self, NoClient> {
        let user = url.login.as_ref().map(|(user, _)| user.as_str()).unwrap_or_default();
        let account = format!("{}:{}\n{user}", url.host, url.port);
        let digest = ring::digest::digest(&ring::digest::SHA256, account.as_bytes());
        let short = digest.as_ref().get(..4).unwrap_or_default();
        let identity = format!("{}:{}", Self::NAME, hex::encode(short));
        Ok(Self { server: Server::try_new(url, ca)?, identity })
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) async fn deliver(&self, mail: &Mail) -> Answer {
        let (envelope, message, id) = match mime::compose(mail) {
            Ok(composed) => composed,
            Err(error) => {
                let reason = format!("it cannot be written as a mail: {error}");
                return Answer::Refused(Refusal { reason, class: None });
            }
        };
        let mut stage = Stage::Connect;
        match timeout(TIMEOUT, self.hand_over(&envelope, &message, &mut stage)).await {
            Ok(Ok(())) => {
                Answer::Accepted(Receipt { provider: Self::NAME.to_owned(), provider_message_id: id })
            }
            Ok(Err(error)) => failure(stage, error),
            Err(_) => unanswered(stage, "no answer in time", None),
        }
    }

    async fn hand_over(&self, envelope: &Envelope, message: &[u8], stage: &mut Stage) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        *stage = Stage::Sender;
        // An address with other letters than ASCII needs an extension (RFC 6531).
        let is_ascii = envelope.to().iter().all(|address| AsRef::<str>::as_ref(address).is_ascii());
        let offers_utf8 = connection.server_info().supports_feature(Extension::SmtpUtfEight);
        let utf8 = (!is_ascii && offers_utf8).then_some(MailParameter::SmtpUtfEight);
        let utf8 = utf8.into_iter().collect();
        connection.command(MailFrom::new(envelope.from().cloned(), utf8)).await?;
        *stage = Stage::Recipient;
        for recipient in envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        connection.command(Data).await?;
        *stage = Stage::Handed;
        connection.message(message).await?;
        self.server.keep(connection);
        Ok(())
    }

    /// A connection that answers: a kept one, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some(mut kept) = self.server.kept() {
            if kept.command(Noop).await.is_ok() {
                return Ok(kept);
            }
        }
        self.server.connect().await
    }
}

/// Classifies a failure. A connection with a failure is not used again.
fn failure(stage: Stage, error: Error) -> Answer {
    let Some(code) = error.status() else {
        return unanswered(stage, "the connection was cut before the answer", Some(error));
    };
    // The text of the reply is the source of the error. It may quote the address, so only its codes are kept.
    let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let text = format!("{code} {text}");
    let (class, codes) = (reply::class(&text), reply::codes(&text));
    let what = format!("{codes} {}", class.as_str());
    let certain = |what| Answer::NotAccepted(Trouble::new(what));
    match (stage, class) {
        _ if error.is_transient() => certain(what),
        (Stage::Connect, _) => Answer::Unauthorised(Trouble::new(what)),
        // A person can fix these causes: the login, the sender, the reputation. Another provider may take the mail now.
        (_, ReplyClass::Relay | ReplyClass::Policy | ReplyClass::Rate) | (Stage::Sender, _) => certain(what),
        (Stage::Recipient | Stage::Handed, _) => {
            let reason = format!("the server refused it: {what}");
            Answer::Refused(Refusal { reason, class: Some(class) })
        }
    }
}

/// Classifies an attempt without a reply.
fn unanswered(stage: Stage, what: &str, error: Option<Error>) -> Answer {
    let trouble = |what: &str| match error {
        Some(error) => Trouble::because(what, error),
        None => Trouble::new(what.to_owned()),
    };
    match stage {
        Stage::Connect => Answer::NotAccepted(trouble("no connection could be made")),
        Stage::Sender | Stage::Recipient => Answer::NotAccepted(trouble(what)),
        Stage::Handed => Answer::Ambiguous(trouble(what)),
    }
}
