//! The addresses of the services: `host:port`, a list of them, or `dns:host:port`, which is resolved repeatedly.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    str::FromStr,
};

use crate::config::{Reader, Setting};

/// One address in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket address.
    Fixed(SocketAddr),
    /// A host name with a port; all its addresses are used.
    Name(String),
}

/// The addresses of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress(pub Vec<Address>);

/// The text is not an address list.
#[derive(Debug, thiserror::Error)]
#[error("not an address list")]
pub struct NotAnAddress;

impl FromStr for PeerAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let one = |part: &str| {
            if let Ok(address) = part.parse() {
                return Ok(Address::Fixed(address));
            }
            let name = part.strip_prefix("dns:").unwrap_or(part);
            match name.rsplit_once(':') {
                Some((host, port))
                    if port.parse::<u16>().is_ok_and(|port| port > 0)
                        && !host.is_empty()
                        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) =>
                {
                    Ok(Address::Name(name.to_owned()))
                }
                _ => Err(NotAnAddress),
            }
        };
        let list: Result<Vec<_>, _> =
            text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(one).collect();
        let list = list?;
        if list.is_empty() { Err(NotAnAddress) } else { Ok(Self(list)) }
    }
}

/// The addresses of all other services of the mesh.
#[derive(Debug, Clone, Default)]
pub struct Addresses(pub HashMap<String, Vec<Address>>);

fn setting(service: &str) -> Setting {
    Setting {
        name: Cow::Owned(format!("LEVQOR_{}_ADDR", service.to_uppercase())),
        default: None,
        meaning: Cow::Owned(format!(
            "Where {service} is reached: host:port, a comma-separated list of them, or dns:host:port."
        )),
        secret: false,
    }
}

impl Addresses {
    /// The settings of these services.
    #[must_use]
    pub fn settings(services: &[String]) -> Vec<Setting> {
        services.iter().map(|service| setting(service)).collect()
    }

    /// Reads the addresses of these services, except `own`. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>, services: &[String], own: &str) -> Option<Self> {
        let others = services.iter().filter(|service| *service != own);
        // Reads all addresses before it returns `None`, so that all mistakes are reported.
        let read: Vec<(String, Option<PeerAddress>)> = others
            .map(|service| {
                let expected = "host:port, a comma-separated list of them, or dns:host:port";
                (service.clone(), reader.required(&setting(service), expected))
            })
            .collect();
        read.into_iter().map(|(service, list)| Some((service, list?.0))).collect::<Option<_>>().map(Self)
    }

    /// Whether all of them are loopback addresses.
    #[must_use]
    pub fn are_local(&self) -> bool {
        self.0.values().flatten().all(|address| match address {
            Address::Fixed(address) => address.ip().to_canonical().is_loopback(),
            Address::Name(name) => name.starts_with("localhost:"),
        })
    }
}

/// All socket addresses of a list. `None` if one lookup failed: an incomplete list would remove addresses that are in use.
pub(super) async fn resolve(addresses: &[Address]) -> Option<BTreeSet<SocketAddr>> {
    let mut found = BTreeSet::new();
    for address in addresses {
        match address {
            Address::Fixed(address) => {
                found.insert(*address);
            }
            Address::Name(name) => match tokio::net::lookup_host(name).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => {
                    tracing::warn!(
                        name,
                        error = &error as &dyn std::error::Error,
                        "cannot look up a service's address"
                    );
                    return None;
                }
            },
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_names_are_read() {
        let list: PeerAddress = "127.0.0.1:1, dns:lamps.levqor.svc:50051,[::1]:2".parse().expect("list");
        assert_eq!(list.0.len(), 3);
        assert_eq!(list.0.get(1), Some(&Address::Name("lamps.levqor.svc:50051".to_owned())));
        for text in ["", " , ", "lamps", "lamps:0", "lamps:x", "http://lamps:1", "a b:1"] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_loopback_addresses_are_local() {
        for (text, local) in [
            ("127.0.0.1:1,[::1]:2,localhost:3", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("127.0.0.1:1,192.0.2.1:2", false),
            ("0.0.0.0:1", false),
            ("dns:localhost.example:1", false),
        ] {
            let list: PeerAddress = text.parse().expect("list");
            assert_eq!(Addresses([("lamps".to_owned(), list.0)].into()).are_local(), local, "{text}");
        }
    }
}
