//! The address of the caller, also behind trusted proxies. Limits are counted by it.

mod forwarded;

use std::{
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use http::HeaderMap;
use ipnet::IpNet;

/// The address by which limits are counted: an IPv4 address, or the first 64 bits of an IPv6 address. A customer of an IPv6
/// provider has all addresses that begin with the same 64 bits.
///
/// It is personal data: do not write it to a log, a span or a metric.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallerAddress(IpAddr);

impl CallerAddress {
    /// The address of a request without a connection, as in tests of the routes alone.
    pub(crate) const UNKNOWN: Self = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
}

impl CallerAddress {
    /// The address as text, for a service that counts calls by it. `None` if it is unknown.
    pub(crate) fn text(self) -> Option<String> {
        (self != Self::UNKNOWN).then(|| self.0.to_string())
    }

    /// The network of the caller, for evidence: the first 24 bits of an IPv4 address, or the first 48 of an IPv6 address.
    pub(crate) fn network(self) -> Option<String> {
        let (address, bits) = match self.0 {
            IpAddr::V4(_) => (self.0, 24),
            IpAddr::V6(address) if address.is_unspecified() => return None,
            IpAddr::V6(_) => (self.0, 48),
        };
        IpNet::new(address, bits).ok().map(|network| network.trunc().to_string())
    }
}

impl From<IpAddr> for CallerAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// The header in which the trusted proxies write the caller's address. The gateway reads only one: a proxy that writes one of
/// them forwards the other one as the caller sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The text names neither header.
#[derive(Debug, thiserror::Error)]
#[error("neither x-forwarded-for nor forwarded")]
pub struct UnknownHeader;

impl FromStr for ForwardedHeader {
    type Err = UnknownHeader;

    fn from_str(text: &str) -> Result<Self, UnknownHeader> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(UnknownHeader),
        }
    }
}

/// The proxies that the gateway trusts to name the caller's address.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// The networks of the proxies.
    pub networks: Vec<IpNet>,
    /// The header in which they write the caller's address.
    pub header: ForwardedHeader,
}

/// The list contains a text that is neither an address nor a network.
#[derive(Debug, thiserror::Error)]
#[error("not a list of IP addresses and networks")]
pub(crate) struct NotNetworks;

/// Networks, as the setting writes them.
#[derive(Debug)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl FromStr for Networks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<Self, NotNetworks> {
        let network = |part: &str| {
            let one = || part.parse::<IpAddr>().ok().map(IpNet::from);
            part.parse::<IpNet>().ok().or_else(one).ok_or(NotNetworks)
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub(crate) fn are_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The address by which a connection is counted. `None` if it comes from a trusted proxy, which serves many callers.
    #[must_use]
    pub(crate) fn counted_by(&self, connected_from: IpAddr) -> Option<IpAddr> {
        (!self.are_at(connected_from)).then(|| CallerAddress::from(connected_from).0)
    }

    /// The address of the caller of a request on a connection from this address. Each proxy appends the address that called it,
    /// so the list is read from its end. The first address that is not a trusted proxy's is the caller's. The caller wrote the
    /// entries before it and may have made them up.
    #[must_use]
    pub(crate) fn caller(&self, connected_from: IpAddr, headers: &HeaderMap) -> CallerAddress {
        let mut caller = connected_from;
        if self.are_at(connected_from) {
            let mut hops = match self.header {
                ForwardedHeader::XForwardedFor => forwarded::x_forwarded_for(headers),
                ForwardedHeader::Forwarded => forwarded::forwarded(headers),
            };
            while self.are_at(caller) {
                // An entry that is not an address hides the hop, so the last known hop counts.
                let Some(Some(hop)) = hops.pop() else { break };
                caller = hop;
            }
        }
        caller.into()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        let Networks(networks) = "10.0.0.0/8, 192.0.2.1,2001:db8:1::/48".parse().expect("networks");
        TrustedProxies { networks, header }
    }

    fn caller(proxies: &TrustedProxies, from: &str, name: &'static str, values: &[&str]) -> CallerAddress {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        proxies.caller(from.parse().expect("an address"), &headers)
    }

    fn address(text: &str) -> CallerAddress {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_the_caller_is() {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        for (from, values, expected) in [
            ("198.51.100.7", &["203.0.113.9"][..], "198.51.100.7"),
            ("10.1.2.3", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.1.2.3", &["203.0.113.9"], "203.0.113.9"),
            // The entries that the caller made up are on the left.
            ("10.1.2.3", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", &["1.1.1.1", "203.0.113.9 , 192.0.2.1"], "203.0.113.9"),
            ("10.1.2.3", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.1.2.3", &["[2001:db8:2::9]:4711"], "2001:db8:2::"),
            ("10.1.2.3", &["2001:db8:2::9"], "2001:db8:2::1"),
            // If a hop is hidden, or none is named, only the proxy itself is known.
            ("10.1.2.3", &["203.0.113.9, unknown"], "10.1.2.3"),
            ("10.1.2.3", &["203.0.113.9,"], "10.1.2.3"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        ] {
            let got = caller(&proxies, from, "x-forwarded-for", values);
            assert!(got == address(expected), "{from} {values:?}");
        }
        let got = caller(&proxies, "10.1.2.3", "forwarded", &["for=203.0.113.9"]);
        assert!(got == address("10.1.2.3"), "a header that these proxies do not write is not believed");
    }

    #[test]
    fn the_standard_header_is_read_if_the_proxies_write_it() {
        let proxies = proxies(ForwardedHeader::Forwarded);
        for (values, expected) in [
            (&["for=203.0.113.9"][..], "203.0.113.9"),
            (&["For=\"[2001:db8:2::9]:4711\";proto=https"], "2001:db8:2::"),
            (&["for=1.1.1.1, proto=http; for=203.0.113.9;by=\"a,b\""], "203.0.113.9"),
            (&["for=203.0.113.9", "for=10.8.8.8"], "203.0.113.9"),
            (&["for=203.0.113.9, for=_hidden"], "10.1.2.3"),
            (&["for=203.0.113.9, proto=https"], "10.1.2.3"),
            (&["for=\"203.0.113.9"], "10.1.2.3"),
        ] {
            let got = caller(&proxies, "10.1.2.3", "forwarded", values);
            assert!(got == address(expected), "{values:?}");
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_of_64_bits_are_one_caller() {
        assert!(address("2001:db8:2::1") == address("2001:db8:2:0:ffff::2"));
        assert!(address("2001:db8:2::1") != address("2001:db8:2:1::1"));
        assert!(address("::ffff:203.0.113.9") == address("203.0.113.9"));
        assert!(address("203.0.113.9") != address("203.0.113.8"));
    }

    #[test]
    fn a_list_of_networks_is_read_whole_or_not_at_all() {
        assert!("".parse::<Networks>().is_ok_and(|Networks(list)| list.is_empty()));
        for wrong in ["10.0.0.0/33", "10.0.0.0/8, proxy.example", "10.0.0.0 8", "localhost"] {
            assert!(wrong.parse::<Networks>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn evidence_has_the_network_and_not_the_address() {
        for (address, network) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:1:2::3", Some("2001:db8:1::/48")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(CallerAddress::from(address).network().as_deref(), network, "{address}");
        }
        assert_eq!(CallerAddress::UNKNOWN.network(), None);
    }
}
