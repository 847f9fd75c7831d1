//! The address of an SMTP server, as the setting gives it.
//!
//! `smtps://user:password@host` is TLS from the first byte (port 465, RFC 8314). `smtp://user:password@host` is `STARTTLS`, which
//! the server must offer (port 587). A connection to this machine is not encrypted, unless the URL has `?tls=required`. Every
//! other connection is encrypted.

use std::{net::IpAddr, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte.
    Tls,
    /// After the command `STARTTLS`, which the server must offer.
    StartTls,
    /// Not at all: only on this machine.
    None,
}

/// A server and the account there.
#[derive(Debug, Clone)]
pub struct SmtpUrl {
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The user and the password, if the server wants a login.
    pub login: Option<(String, SecretString)>,
}

/// The text is not the address of a server.
#[derive(Debug, thiserror::Error)]
#[error("not the address of an SMTP server")]
pub struct NotAnSmtpUrl;

impl SmtpUrl {
    /// The expected form, for error reports about settings.
    pub const EXPECTED: &str =
        "smtps://user:password@host:465, or smtp://user:password@host:587; without TLS only on this machine";
}

impl FromStr for SmtpUrl {
    type Err = NotAnSmtpUrl;

    fn from_str(text: &str) -> Result<Self, NotAnSmtpUrl> {
        let url: http::Uri = text.parse().map_err(|_| NotAnSmtpUrl)?;
        let authority = url.authority().ok_or(NotAnSmtpUrl)?;
        let host = authority.host().trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if host.is_empty() || !matches!(url.path(), "" | "/") {
            return Err(NotAnSmtpUrl);
        }
        let (encryption, port) = match (url.scheme_str(), url.query()) {
            (Some("smtps"), None) => (Encryption::Tls, 465),
            (Some("smtp"), None) if is_here => (Encryption::None, 25),
            (Some("smtp"), None | Some("tls=required")) => (Encryption::StartTls, 587),
            _ => return Err(NotAnSmtpUrl),
        };
        let login = match authority.as_str().rsplit_once('@') {
            None => None,
            Some((login, _)) => {
                let (user, password) = login.split_once(':').ok_or(NotAnSmtpUrl)?;
                Some((decoded(user)?, decoded(password)?.into()))
            }
        };
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self { host: host.to_owned(), port, encryption, login })
    }
}

/// A part of the login. In a URL, characters such as `@` and `/` are percent-encoded.
fn decoded(text: &str) -> Result<String, NotAnSmtpUrl> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| NotAnSmtpUrl)?;
    let is_sound = !decoded.is_empty() && !decoded.contains(char::is_control);
    if is_sound { Ok(decoded.into_owned()) } else { Err(NotAnSmtpUrl) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_server_is_reached_in_the_clear_only_on_this_machine() {
        for (text, port, encryption) in [
            ("smtps://u:p@mail.example.com", 465, Encryption::Tls),
            ("smtps://u:p@mail.example.com:4650", 4650, Encryption::Tls),
            ("smtp://u:p@mail.example.com", 587, Encryption::StartTls),
            ("smtp://u:p@mail.example.com:2525?tls=required", 2525, Encryption::StartTls),
            ("smtp://127.0.0.1:1025", 1025, Encryption::None),
            ("smtp://[::1]:1025", 1025, Encryption::None),
            ("smtp://localhost?tls=required", 587, Encryption::StartTls),
        ] {
            let url: SmtpUrl = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!((url.port, url.encryption), (port, encryption), "{text}");
        }
        for text in [
            "",
            "mail.example.com",
            "http://a.b",
            "smtp://",
            "smtp://a.b?tls=none",
            "smtps://a.b/x",
            "smtp://u@a.b",
        ] {
            assert!(text.parse::<SmtpUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_may_have_any_character_if_it_is_encoded() {
        let url: SmtpUrl =
            "smtps://ada%40example.com:p%2Fa%3Ass%40@mail.example.com".parse().expect("a server");
        let (user, password) = url.login.expect("a login");
        assert_eq!((user.as_str(), password.expose_secret()), ("ada@example.com", "p/a:ss@"));
        assert_eq!(url.host, "mail.example.com");
    }
}
