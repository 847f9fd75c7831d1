//! Connections to an SMTP server: how one is made, and the few that are kept for the next mails.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, TlsParameters},
    extension::ClientId,
};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::smtp_url::{Encryption, SmtpUrl};

/// How many connections are kept at most.
const MOST_KEPT: usize = 4;
/// How long a connection is kept. Servers close an idle one after some minutes (RFC 5321, 4.5.3.2).
const KEPT_FOR: Duration = Duration::from_mins(1);
/// How long the server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A server, and the connections to it that are free.
pub(crate) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: Option<TlsParameters>,
    login: Option<(String, SecretString)>,
    free: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Why there can be no client of the server.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// The file of the private authority cannot be read.
    #[error("read SMTP_CA_FILE")]
    CaFile(#[source] std::io::Error),
    /// TLS cannot be set up.
    #[error("set up TLS to the server of SMTP_URL")]
    Tls(#[source] Error),
}

impl Server {
    pub(crate) fn try_new(url: &SmtpUrl, ca: Option<&Path>) -> Result<Self, NoClient> {
        let SmtpUrl { host, port, encryption, login } = url.clone();
        let tls = match encryption {
            Encryption::None => None,
            Encryption::Tls | Encryption::StartTls => {
                levqor_runtime::install_crypto();
                let mut builder = TlsParameters::builder(host.clone());
                if let Some(ca) = ca {
                    let pem = std::fs::read(ca).map_err(NoClient::CaFile)?;
                    builder =
                        builder.add_root_certificate(Certificate::from_pem(&pem).map_err(NoClient::Tls)?);
                }
                Some(builder.build_rustls().map_err(NoClient::Tls)?)
            }
        };
        Ok(Self { host, port, encryption, tls, login, free: Mutex::default() })
    }

    /// Connects, encrypts and logs in.
    pub(crate) async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let name = ClientId::default();
        let at_once = self.tls.clone().filter(|_| self.encryption == Encryption::Tls);
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_PATIENCE), &name, at_once, None).await?;
        if let (Encryption::StartTls, Some(tls)) = (self.encryption, self.tls.clone()) {
            connection.starttls(tls, &name).await?;
        }
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }

    /// A connection that was kept, if there is one. The server may have closed it.
    pub(super) fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        free.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection for the next mail.
    pub(super) fn keep(&self, connection: AsyncSmtpConnection) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MOST_KEPT {
            free.push((connection, Instant::now()));
        }
    }
}
