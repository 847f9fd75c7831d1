//! Settings of the gateway: its own, and those that it shares with the services.

use std::{net::SocketAddr, num::NonZero, time::Duration};

use levqor_runtime::{
    client::Addresses,
    config::{Reader, Setting},
    metrics::Metrics,
    port::Limits,
    tls::{MeshTls, PublicTls},
    token::{MeshKeys, UserTokensConfig},
};

use crate::{
    body::{BodyLimits, MOST_BYTES},
    cors::Origins,
    peer::{Networks, TrustedProxies},
    rates::RatesConfig,
    transcode::Silence,
};

pub(crate) const HTTP_ADDR: Setting = Setting::plain(
    "LEVQOR_HTTP_ADDR",
    Some("127.0.0.1:8080"),
    "Where the gateway listens: an IP address and a port; port 0 takes a free one.",
);
const REQUEST_TIMEOUT_MS: Setting = Setting::plain(
    "LEVQOR_REQUEST_TIMEOUT_MS",
    Some("15000"),
    "How long a REST request may take in all, in milliseconds; services are told how much of it is left.",
);
const MAX_CONCURRENT_REQUESTS: Setting = Setting::plain(
    "LEVQOR_MAX_CONCURRENT_REQUESTS",
    Some("1024"),
    "How many REST requests may be in progress at once. One address may have half of them. Further requests are answered with 503 at once. A request is in progress until its answer is written.",
);
const IDLE_TIMEOUT_MS: Setting = Setting::plain(
    "LEVQOR_IDLE_TIMEOUT_MS",
    Some("120000"),
    "How long a connection without a request is kept, in milliseconds. It must be longer than the idle timeout of a load balancer in front.",
);
const MAX_CONNECTIONS: Setting = Setting::plain(
    "LEVQOR_MAX_CONNECTIONS",
    Some("4096"),
    "How many connections the gateway keeps at once, and never more than three quarters of the files that the process may open. When full, an idle connection is closed for each new one. If none is idle, 16 extra connections answer /health/* only.",
);
const MAX_CONNECTIONS_PER_ADDRESS: Setting = Setting::plain(
    "LEVQOR_MAX_CONNECTIONS_PER_ADDRESS",
    Some("512"),
    "How many connections of one address the gateway keeps at once (of IPv6, of one network of 64 bits), and never more than half of all. Those of trusted proxies are not counted.",
);
const MAX_BODY_BYTES: Setting = Setting::plain(
    "LEVQOR_MAX_BODY_BYTES",
    Some("67108864"),
    "How many bytes of request bodies the gateway holds at once. One address may use a quarter of them. Above the limit the answer is 503. At least 1048576: one body of the largest size.",
);
const TRUSTED_PROXIES: Setting = Setting::plain(
    "LEVQOR_TRUSTED_PROXIES",
    None,
    "The load balancers and proxies in front of the gateway, as IP addresses and networks (10.0.0.0/8) separated by commas. The gateway takes a caller's address from the header that they write, and counts limits per address by it. Where it is not set, a caller's address is the one that the connection comes from.",
);
const FORWARDED_HEADER: Setting = Setting::plain(
    "LEVQOR_FORWARDED_HEADER",
    Some("x-forwarded-for"),
    "The header in which the trusted proxies write the caller's address: x-forwarded-for or forwarded. Only this one is read.",
);
/// No service makes a caller wait longer.
const LONGEST_TIMEOUT_MS: u64 = 60_000;
/// A head is a few hundred bytes, sent at once.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Extra connections, on which only health requests are answered.
const RESERVED_CONNECTIONS: usize = 16;
/// The maximum age of a connection. Its client then makes a new one, perhaps to another replica.
const CONNECTION_AGE: Duration = Duration::from_mins(30);
/// How long a response may continue after that. A large download over a slow line takes less. A client asks again for a stream of
/// events that is cut off then.
const FAREWELL: Duration = Duration::from_hours(4);
/// Concurrent requests on one HTTP/2 connection. Most servers allow as many.
const STREAMS: u32 = 128;
/// The receive windows of HTTP/2. They can be small, because a body is read at once or refused.
const WINDOWS: (u32, u32) = (256 << 10, 128 << 10);

/// The configuration of the gateway.
pub struct Config {
    /// `LEVQOR_HTTP_ADDR`
    pub http_addr: SocketAddr,
    /// `LEVQOR_TLS_CERT` and `LEVQOR_TLS_KEY`: how the gateway proves its name to callers.
    pub tls: PublicTls,
    /// `LEVQOR_REQUEST_TIMEOUT_MS`
    pub request_timeout: Duration,
    /// `LEVQOR_MAX_CONCURRENT_REQUESTS`
    pub max_concurrent_requests: usize,
    /// `LEVQOR_IDLE_TIMEOUT_MS`
    pub idle_timeout: Duration,
    /// How long a client may take to send the head of a request after its first byte.
    pub head_timeout: Duration,
    /// `LEVQOR_CORS_ORIGINS`
    pub cors_origins: Origins,
    /// `LEVQOR_RATE_*`: the rate limits of one caller.
    pub rates: RatesConfig,
    /// The limits of connections, with `LEVQOR_MAX_CONNECTIONS` and `LEVQOR_MAX_CONNECTIONS_PER_ADDRESS`. Their timeouts are
    /// `head_timeout` and `idle_timeout`.
    pub connections: Limits,
    /// The limits of bodies, with `LEVQOR_MAX_BODY_BYTES`.
    pub bodies: BodyLimits,
    /// How long a stream may be silent.
    pub silence: Silence,
    /// `LEVQOR_JWT_SECRET` and the settings beside it: how users are authenticated.
    pub user_tokens: UserTokensConfig,
    /// `LEVQOR_MESH_KEY`: how the gateway authenticates itself to services.
    pub mesh_keys: MeshKeys,
    /// `LEVQOR_<SERVICE>_ADDR`: the addresses of the services.
    pub addresses: Addresses,
    /// `LEVQOR_MESH_TLS` and the settings beside it: how the gateway and the services prove their names to each other.
    pub mesh_tls: MeshTls,
    /// `LEVQOR_TRUSTED_PROXIES` and `LEVQOR_FORWARDED_HEADER`: the proxies that the gateway trusts to name a caller's address.
    pub trusted_proxies: TrustedProxies,
    /// Whether `GET /demo` shows the chat widget on a page. It is not a setting: `levqor up` alone shows it.
    pub demo_page: bool,
    /// The metrics to use. `None`: the gateway creates its own.
    pub metrics: Option<Metrics>,
}

/// Every setting that the gateway reads.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let mut settings = vec![
        HTTP_ADDR,
        REQUEST_TIMEOUT_MS,
        MAX_CONCURRENT_REQUESTS,
        IDLE_TIMEOUT_MS,
        MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_ADDRESS,
        MAX_BODY_BYTES,
        TRUSTED_PROXIES,
        FORWARDED_HEADER,
    ];
    settings.extend(PublicTls::settings());
    settings.extend(Origins::settings());
    settings.extend(RatesConfig::settings());
    settings.extend(UserTokensConfig::settings());
    settings.extend(MeshKeys::settings());
    settings.extend(MeshTls::settings());
    settings.extend(Addresses::settings(crate::methods().services()));
    settings
}

impl Config {
    /// Reads the settings and notes every mistake. Returns `None` only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let http_addr = reader.defaulted(&HTTP_ADDR, "an IP address and a port such as 127.0.0.1:8080");
        let tls = PublicTls::read(reader);
        let timeout_ms: Option<NonZero<u64>> =
            reader.defaulted(&REQUEST_TIMEOUT_MS, "a number of milliseconds from 1 to 60000");
        if timeout_ms.is_some_and(|timeout| timeout.get() > LONGEST_TIMEOUT_MS) {
            reader.problem(&REQUEST_TIMEOUT_MS, "expected a number of milliseconds from 1 to 60000");
        }
        let most: Option<NonZero<u32>> = reader.defaulted(&MAX_CONCURRENT_REQUESTS, "a number of at least 1");
        let idle_ms: Option<NonZero<u32>> =
            reader.defaulted(&IDLE_TIMEOUT_MS, "a number of milliseconds of at least 1");
        let connections: Option<NonZero<u32>> = reader.defaulted(&MAX_CONNECTIONS, "a number of at least 1");
        let per_address: Option<NonZero<u32>> =
            reader.defaulted(&MAX_CONNECTIONS_PER_ADDRESS, "a number of at least 1");
        let body_bytes: Option<NonZero<u32>> =
            reader.defaulted(&MAX_BODY_BYTES, "a number of bytes of at least 1048576");
        if body_bytes.is_some_and(|bytes| usize::try_from(bytes.get()).is_ok_and(|n| n < MOST_BYTES)) {
            reader.problem(&MAX_BODY_BYTES, "expected a number of bytes of at least 1048576");
        }
        let networks = reader
            .optional(&TRUSTED_PROXIES, "IP addresses and networks such as 10.0.0.0/8, separated by commas");
        let Networks(networks) = networks.unwrap_or(Networks(Vec::new()));
        let header = reader.defaulted(&FORWARDED_HEADER, "x-forwarded-for or forwarded");
        let cors_origins = Origins::read(reader);
        let rates = RatesConfig::read(reader);
        let user_tokens = UserTokensConfig::read(reader);
        let mesh_keys = MeshKeys::read(reader);
        let addresses = Addresses::read(reader, crate::methods().services(), crate::NAME);
        let is_local = addresses.as_ref().is_none_or(Addresses::are_local);
        let mesh_tls = MeshTls::read(reader, crate::NAME, is_local);
        Some(Self {
            http_addr: http_addr?,
            tls: tls?,
            request_timeout: Duration::from_millis(timeout_ms?.get()),
            max_concurrent_requests: usize::try_from(most?.get()).ok()?,
            idle_timeout: Duration::from_millis(idle_ms?.get().into()),
            head_timeout: HEAD_TIMEOUT,
            cors_origins,
            rates: rates?,
            connections: Limits {
                connections: usize::try_from(connections?.get()).ok()?,
                connections_per_address: usize::try_from(per_address?.get()).ok()?,
                reserved: RESERVED_CONNECTIONS,
                age: CONNECTION_AGE,
                farewell: Some(FAREWELL),
                streams: STREAMS,
                windows: Some(WINDOWS),
                ..Limits::internal()
            },
            bodies: BodyLimits { bytes: usize::try_from(body_bytes?.get()).ok()?, ..BodyLimits::default() },
            silence: Silence::default(),
            user_tokens: user_tokens?,
            mesh_keys: mesh_keys?,
            addresses: addresses?,
            mesh_tls: mesh_tls?,
            trusted_proxies: TrustedProxies { networks, header: header? },
            demo_page: false,
            metrics: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::Env;

    use super::*;

    #[test]
    fn every_mistake_is_found_in_one_run() {
        let env = Env::from_pairs([
            ("LEVQOR_HTTP_ADDR", "localhost"),
            ("LEVQOR_REQUEST_TIMEOUT_MS", "60001"),
            ("LEVQOR_MAX_CONCURRENT_REQUESTS", "0"),
            ("LEVQOR_IDLE_TIMEOUT_MS", "2 min"),
            ("LEVQOR_CORS_ORIGINS", "*"),
            ("LEVQOR_RATE_CHAT", "20 a minute"),
            ("LEVQOR_RATE_LIMITS", "no"),
            ("LEVQOR_MAX_CONNECTIONS", "0"),
            ("LEVQOR_MAX_CONNECTIONS_PER_ADDRESS", "many"),
            ("LEVQOR_MAX_BODY_BYTES", "1 MiB"),
            ("LEVQOR_TRUSTED_PROXIES", "proxy.example"),
            ("LEVQOR_FORWARDED_HEADER", "x-real-ip"),
        ]);
        let mut reader = Reader::new(&env);
        let config = Config::read(&mut reader);
        let problems = reader.finish(config).err().map(|problems| problems.to_string()).unwrap_or_default();
        for name in [
            "LEVQOR_HTTP_ADDR",
            "LEVQOR_REQUEST_TIMEOUT_MS",
            "LEVQOR_MAX_CONCURRENT_REQUESTS",
            "LEVQOR_IDLE_TIMEOUT_MS",
            "LEVQOR_CORS_ORIGINS",
            "LEVQOR_RATE_CHAT",
            "LEVQOR_RATE_LIMITS",
            "LEVQOR_MAX_CONNECTIONS",
            "LEVQOR_MAX_CONNECTIONS_PER_ADDRESS",
            "LEVQOR_MAX_BODY_BYTES",
            "LEVQOR_TRUSTED_PROXIES",
            "LEVQOR_FORWARDED_HEADER",
            "LEVQOR_JWT_SECRET",
            "LEVQOR_MESH_KEY",
        ] {
            assert!(problems.contains(name), "{name} is missing in {problems}");
        }
        for Setting { name, .. } in Addresses::settings(crate::methods().services()) {
            assert!(problems.contains(&*name), "{name} is missing in {problems}");
        }
    }

    #[test]
    fn a_memory_limit_below_the_largest_body_is_a_mistake() {
        for (bytes, is_mistake) in [("1", true), ("1048575", true), ("1048576", false)] {
            let env = Env::from_pairs([("LEVQOR_MAX_BODY_BYTES", bytes)]);
            let mut reader = Reader::new(&env);
            let config = Config::read(&mut reader);
            let problems = reader.finish(config).err().map(|problems| problems.to_string());
            let named = problems.is_some_and(|problems| problems.contains("LEVQOR_MAX_BODY_BYTES"));
            assert_eq!(named, is_mistake, "{bytes}");
        }
    }

    #[test]
    fn every_setting_is_listed_once() {
        let mut names: Vec<_> = settings().into_iter().map(|setting| setting.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&HTTP_ADDR.name));
    }
}
