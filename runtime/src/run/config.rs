//! A service's start configuration, read in full before anything opens.

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use levqor_proto_runtime::v1::{PurgeExpiredRequest, TestErrorReportsRequest};

use crate::{
    access::{self, Methods},
    client::Addresses,
    config::{Reader, Setting},
    db::DatabaseUrl,
    metrics::Metrics,
    rate::CodeRate,
    schedule::Schedule,
    service::Service,
    telemetry::{self, ErrorReports, TelemetryConfig},
    tls::MeshTls,
    token::{MeshKeys, UserTokensConfig},
};

const DATABASE_URL: Setting = Setting::secret(
    "LEVQOR_DATABASE_URL",
    "PostgreSQL: of one service's database for `levqor serve`; of a server for `levqor up`, which makes a database per service. If the URL lacks a value, a `PG*` variable or ~/.pgpass may give it. Where it is not set, `PG*` variables are ignored.",
);
const CONNECTIONS: Setting = Setting::plain(
    "LEVQOR_DATABASE_CONNECTIONS",
    Some("16"),
    "How many connections a service has in its pool at most; its shared commits open up to four more.",
);
const GRPC_ADDR: Setting =
    Setting::plain("LEVQOR_GRPC_ADDR", Some("127.0.0.1:50051"), "Where `levqor serve <service>` listens.");
const REFLECTION: Setting = Setting::plain(
    "LEVQOR_GRPC_REFLECTION",
    None,
    "`true` lets anybody who reaches a service's gRPC port ask which RPCs it has (for grpcurl), `false` nobody. Where it is not set: `true` if the service listens on a loopback address, else `false`.",
);
const DRAIN_DELAY: Setting = Setting::plain(
    "LEVQOR_DRAIN_DELAY_MS",
    Some("5000"),
    "How long a stopping process reports that it is not ready before it accepts no more calls, in milliseconds.",
);

const LEDGER_CHECK: Setting = Setting::plain(
    "LEVQOR_LEDGER_CHECK",
    Some("true"),
    "`true`: a service compares its database with compliance's ledger of erasures before it serves. `false`: it serves without this check, if compliance does not run or cannot be reached; after a restore, the data of people who were erased since the backup may be there again.",
);

/// The complete start configuration of a service.
pub struct ServiceConfig<S: Service> {
    /// Its database.
    pub database_url: DatabaseUrl,
    /// The address that it listens on.
    pub listen: SocketAddr,
    /// The service's own configuration.
    pub own: S::Config,
    pub(super) reflection: Option<bool>,
    pub(super) connections: u32,
    /// The metrics to record into; the service creates its own if none are given.
    pub metrics: Option<Metrics>,
    pub(super) drain_delay: Duration,
    /// How often one caller may call the RPCs that guard codes.
    pub(super) code_rate: CodeRate,
    pub(super) mesh_keys: MeshKeys,
    pub(super) users: UserTokensConfig,
    pub(super) error_reports: Option<ErrorReports>,
    /// Whether the database is compared with the ledger of erasures first.
    pub(super) ledger_check: bool,
    /// The addresses of the other services.
    pub addresses: Addresses,
    /// How it proves its name to the others.
    pub tls: MeshTls,
}

impl<S: Service> ServiceConfig<S> {
    /// Every setting that a service reads.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings = vec![DATABASE_URL, CONNECTIONS, GRPC_ADDR, REFLECTION, DRAIN_DELAY, LEDGER_CHECK];
        settings.extend(CodeRate::settings());
        settings.extend(MeshKeys::settings());
        settings.extend(MeshTls::settings());
        settings.extend(UserTokensConfig::settings());
        settings.extend(Addresses::settings(register::<S>().services()));
        settings.extend(Addresses::settings(&asked::<S>()));
        settings.extend(TelemetryConfig::settings());
        settings.extend(S::settings());
        settings
    }

    /// Reads the complete configuration. Returns none only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let methods = register::<S>();
        let database_url = database_url(reader);
        let connections: Option<u32> = reader.defaulted(&CONNECTIONS, "a number of connections, 2 or more");
        if connections.is_some_and(|connections| connections < 2) {
            reader.problem(&CONNECTIONS, "expected a number of connections, 2 or more");
        }
        let listen = reader.defaulted(&GRPC_ADDR, "an address and port such as 127.0.0.1:50051");
        let drain_delay = drain_delay(reader);
        let ledger_check = reader.defaulted(&LEDGER_CHECK, "`true` or `false`");
        let reflection_is_set = reader.is_set(&REFLECTION);
        let reflection = reader.optional(&REFLECTION, "`true` or `false`");
        let code_rate = CodeRate::read(reader);
        let mesh_keys = MeshKeys::read(reader);
        let users = UserTokensConfig::read(reader);
        // A service that is asked and has no address would be left out without a word: of an erasure, for example.
        let others = [methods.services(), &asked::<S>()].concat();
        let addresses = Addresses::read(reader, &others, S::NAME);
        let is_local = |listen: SocketAddr| listen.ip().to_canonical().is_loopback();
        let is_local = listen.is_none_or(is_local) && addresses.as_ref().is_none_or(Addresses::are_local);
        let tls = MeshTls::read(reader, S::NAME, is_local);
        // The process has its own telemetry configuration. The test of error reports needs it here too.
        let telemetry = TelemetryConfig::read(reader);
        let own = S::config(reader);
        Some(Self {
            database_url: database_url?,
            listen: listen?,
            reflection: if reflection_is_set { Some(reflection?) } else { None },
            own: own?,
            connections: connections?,
            metrics: None,
            drain_delay: drain_delay?,
            ledger_check: ledger_check?,
            code_rate: code_rate?,
            mesh_keys: mesh_keys?,
            users: users?,
            error_reports: telemetry?.error_reports(),
            addresses: addresses?,
            tls: tls?,
        })
    }

    /// Every schedule of the service: its own, and the chassis'. The test of error reports needs error reports.
    pub(crate) fn schedules(&self) -> Vec<Schedule> {
        let mut schedules = S::schedules();
        let (hour, week) = (TimeDelta::hours(1), TimeDelta::weeks(1));
        schedules.push(Schedule::new("purge_expired", hour, hour, || PurgeExpiredRequest {}));
        if self.error_reports.is_some() {
            schedules.push(Schedule::new("test_error_reports", week, week, || TestErrorReportsRequest {}));
        }
        schedules
    }
}

/// Registers the fields that a service logs, its RPCs, and the RPCs that it calls.
pub(crate) fn register<S: Service>() -> &'static Methods {
    telemetry::register(S::FIELDS);
    access::register(S::DESCRIPTORS);
    access::register(S::CALLS)
}

/// The names of the services that a service asks, if it does not call them anyway.
pub(crate) fn asked<S: Service>() -> Vec<String> {
    let called = access::methods().services();
    let names = S::ASKS.iter().map(|name| (*name).to_owned());
    names.filter(|name| !called.contains(name)).collect()
}

/// Reads the database URL. Returns none only after it noted a problem.
pub fn database_url(reader: &mut Reader<'_>) -> Option<DatabaseUrl> {
    let expected = "a PostgreSQL URL, postgres://user:password@host:5432/database";
    let Some(text) = reader.secret(&DATABASE_URL) else {
        reader.problem(&DATABASE_URL, format!("is not set; expected {expected}"));
        return None;
    };
    let url = secrecy::ExposeSecret::expose_secret(&text).parse().ok();
    if url.is_none() {
        reader.problem(&DATABASE_URL, format!("expected {expected}"));
    }
    url
}

/// Reads how long a draining process stays reachable. Returns none only after it noted a problem.
pub fn drain_delay(reader: &mut Reader<'_>) -> Option<Duration> {
    reader.defaulted(&DRAIN_DELAY, "a number of milliseconds").map(Duration::from_millis)
}
