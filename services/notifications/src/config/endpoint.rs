//! The address of an API that has a path, and that may be a secret because of it.

use std::str::FromStr;

use levqor_runtime::client::ApiBase;
use secrecy::SecretString;

/// An address: `https`, or plain `http` on this machine. It has no query, and its path has no slash at its end.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The server.
    pub(crate) base: ApiBase,
    /// The whole address.
    pub(crate) url: SecretString,
}

impl Endpoint {
    /// The expected form, for error reports about settings.
    pub(crate) const EXPECTED: &str = "an https URL with a path, or http to this machine";
}

/// The text is not the address of an API.
#[derive(Debug, thiserror::Error)]
#[error("not the address of an API")]
pub(crate) struct NotAnEndpoint;

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let url: http::Uri = text.parse().map_err(|_| NotAnEndpoint)?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(NotAnEndpoint);
        };
        let base = format!("{scheme}://{authority}").parse().map_err(|_| NotAnEndpoint)?;
        if url.query().is_some() {
            return Err(NotAnEndpoint);
        }
        Ok(Self { base, url: SecretString::from(text.trim_end_matches('/').to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_endpoint_has_a_path_and_is_encrypted_on_its_way() {
        let endpoint: Endpoint = "https://hooks.slack.com/services/T0/B0/x/".parse().expect("an endpoint");
        assert_eq!(endpoint.base.as_str(), "https://hooks.slack.com/");
        assert_eq!(endpoint.url.expose_secret(), "https://hooks.slack.com/services/T0/B0/x");
        for bad in ["", "hooks.slack.com/x", "http://hooks.slack.com/x", "https://a@b.c/x", "https://b.c/x?y"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
