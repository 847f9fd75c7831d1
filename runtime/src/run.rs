//! The boot order of a service, once: bind → pool → build → routes → serve → watch the schema → work → drain.
//!
//! Configuration comes before (`ServiceConfig::read`, all of it, before anything opens), telemetry too: it is the
//! process', and a process may run several services.

mod probe;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use levqor_proto_runtime::v1::{
    PurgeExpiredRequest, TestErrorReportsRequest, status_service_server::StatusServiceServer,
    tunnel_service_server::TunnelServiceServer, work_service_server::WorkServiceServer,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use self::probe::Probe;
use crate::{
    access::{self, Methods},
    chassis::{Chassis, Tasks},
    client::{Address, Addresses, Background, Channels},
    clock::Clock,
    config::{Reader, Setting},
    db::{DatabaseUrl, Db, migrations::Schema},
    deferred::Delivery,
    health::Healths,
    hosted::{Adapter, Hosted, Tunnels},
    lifecycle::{Measurement, Readiness},
    measure::Measurer,
    metrics::{self, Metrics},
    refusals::Refusals,
    schedule::{self, Schedule},
    server::{self, Admission, OpenCalls, Stack},
    service::{Capability, Service, Workers},
    telemetry::{self, ErrorReports, TelemetryConfig},
    token::{MeshKeys, ServiceTokens, UserTokens, UserTokensConfig},
    work::Wakes,
};

const DATABASE_URL: Setting = Setting::secret(
    "LEVQOR_DATABASE_URL",
    "PostgreSQL: of one service's database for `levqor serve`; of a server for `levqor up`, which makes a database per service. What the URL says counts; what it does not say, `PG*` variables and ~/.pgpass may say. Where it is not set, no `PG*` variable counts.",
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
    "How long a process that is told to stop says that it is not ready before it stops taking calls, in milliseconds.",
);

/// Everything a service is started with.
pub struct ServiceConfig<S: Service> {
    /// Its database.
    pub database_url: DatabaseUrl,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The service's own part.
    pub own: S::Config,
    reflection: Option<bool>,
    connections: u32,
    /// What it counts and times with; its own where none are given.
    pub metrics: Option<Metrics>,
    drain_delay: Duration,
    mesh_keys: MeshKeys,
    users: UserTokensConfig,
    error_reports: Option<ErrorReports>,
    /// Where the other services are.
    pub addresses: Addresses,
}

impl<S: Service> ServiceConfig<S> {
    /// Every setting that a service reads.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings = vec![DATABASE_URL, CONNECTIONS, GRPC_ADDR, REFLECTION, DRAIN_DELAY];
        settings.extend(MeshKeys::settings());
        settings.extend(UserTokensConfig::settings());
        settings.extend(Addresses::settings(register::<S>().services()));
        settings.extend(TelemetryConfig::settings());
        settings.extend(S::settings());
        settings
    }

    /// Reads all of it. None only with a problem noted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let methods = register::<S>();
        let database_url = database_url(reader);
        let connections: Option<u32> = reader.defaulted(&CONNECTIONS, "a number of connections, 2 or more");
        if connections.is_some_and(|connections| connections < 2) {
            reader.problem(&CONNECTIONS, "expected a number of connections, 2 or more");
        }
        let listen = reader.defaulted(&GRPC_ADDR, "an address and port such as 127.0.0.1:50051");
        let drain_delay = drain_delay(reader);
        let reflection_is_set = reader.is_set(&REFLECTION);
        let reflection = reader.optional(&REFLECTION, "`true` or `false`");
        let mesh_keys = MeshKeys::read(reader);
        let users = UserTokensConfig::read(reader);
        let addresses = Addresses::read(reader, methods.services(), S::NAME);
        // The process' own; here for the test of what it reports.
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
            mesh_keys: mesh_keys?,
            users: users?,
            error_reports: telemetry?.error_reports(),
            addresses: addresses?,
        })
    }
}

impl<S: Service> ServiceConfig<S> {
    /// What the service does by the clock.
    pub(crate) fn schedules(&self) -> Vec<Schedule> {
        schedules::<S>(self.error_reports.is_some())
    }
}

/// Lets the process know what a service logs, its RPCs, and those that it calls.
pub(crate) fn register<S: Service>() -> &'static Methods {
    telemetry::register(S::FIELDS);
    access::register(&[S::DESCRIPTORS]);
    access::register(S::CALLS)
}

/// Reads the database's address. None only with a problem noted.
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

/// Reads how long a draining process stays reachable. None only with a problem noted.
pub fn drain_delay(reader: &mut Reader<'_>) -> Option<Duration> {
    reader.defaulted(&DRAIN_DELAY, "a number of milliseconds").map(Duration::from_millis)
}

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be used.
    #[error("{service} cannot listen on {address}: {}", source.kind())]
    Bind {
        /// The service.
        service: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The service could not be put together.
    #[error("{service} cannot start")]
    Build {
        /// The service.
        service: &'static str,
        /// Why.
        source: anyhow::Error,
    },
    /// The descriptors are not fit for reflection.
    #[error("the compiled-in descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A service that runs.
pub struct Running<S> {
    /// The service itself.
    pub service: Arc<S>,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where it stands.
    pub readiness: Readiness,
    chassis: Chassis,
    url: DatabaseUrl,
    schedules: Vec<Schedule>,
    health: Healths,
    background: Background,
    work: CancellationToken,
    work_tasks: Tasks,
    watch: JoinHandle<()>,
    serve_stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
    drain_delay: Duration,
}

/// Starts a service where its configuration says. It serves when this returns; it is ready when its database is.
pub async fn start<S: Service>(config: ServiceConfig<S>) -> Result<Running<S>, StartError> {
    let bind = |source| StartError::Bind { service: S::NAME, address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
    start_on(listener, config).await
}

/// Starts a service on a port that is bound already.
pub async fn start_on<S: Service>(
    listener: TcpListener,
    config: ServiceConfig<S>,
) -> Result<Running<S>, StartError> {
    crate::install_crypto();
    // 1. The address first: a busy port must not leave a pool behind.
    let bind = |source| StartError::Bind { service: S::NAME, address: config.listen, source };
    let addr = listener.local_addr().map_err(bind)?;

    // 2. The chassis.
    let (clock, wakes, tasks, background) =
        (Clock::default(), Wakes::default(), Tasks::default(), Background::default());
    let metrics = config.metrics.unwrap_or_else(|| Metrics::new(S::NAME));
    let tokens = Arc::new(ServiceTokens::new(&config.mesh_keys, clock.clone()));
    let mut addresses = config.addresses.0;
    addresses.insert(S::NAME.to_owned(), vec![Address::Fixed(reachable(addr))]);
    let chassis = Chassis {
        service: S::NAME,
        db: Db::new(
            &config.database_url,
            S::NAME,
            config.connections,
            wakes.clone(),
            config.mesh_keys.pseudonyms(),
        )
        .measured(&metrics, S::NAME),
        channels: Channels::new(&addresses, &background).measured(&metrics, access::methods()),
        tokens: Arc::clone(&tokens),
        tasks: tasks.clone(),
        wakes,
        clock: clock.clone(),
        metrics: metrics.clone(),
    };

    // 3. The service.
    let service = S::build(config.own, chassis.clone())
        .await
        .map_err(|source| StartError::Build { service: S::NAME, source })?;

    // 4. Its routes, and those that every service hosts.
    let readiness = Readiness::default();
    show_ready(&metrics, &readiness);
    // The metrics outlive nothing: they are the service's own.
    let of = Arc::downgrade(&service);
    metrics.capabilities(move || of.upgrade().map(|service| capabilities(&*service)).unwrap_or_default());
    let health = Healths::new(S::NAME).await;
    let schedules = schedules::<S>(config.error_reports.is_some());
    let hosted = Hosted {
        service: Arc::clone(&service),
        readiness: readiness.clone(),
        schedules: schedules.clone(),
        error_reports: config.error_reports,
    };
    let admission = Admission {
        service: S::NAME,
        users: UserTokens::new(&config.users, clock),
        services: tokens,
        readiness: readiness.clone(),
        refusals: Refusals::new(&metrics),
    };
    let (open, serve_stop) = (OpenCalls::default(), CancellationToken::new());
    let stack = Arc::new(Stack::new(admission, &metrics, open.clone()));
    let tunnels = Tunnels::new(&service, Arc::clone(&stack), tasks.clone(), serve_stop.clone());
    let reflection = config.reflection.unwrap_or_else(|| addr.ip().to_canonical().is_loopback());
    let routes = routes(hosted, &health, tunnels, reflection)?;
    let app = server::around(stack, routes.prepare().into_axum_router());

    // 5. Serve.
    let server = tasks.spawn(server::serve(listener, app, open, serve_stop.clone()));

    // 6. Work, once the tables are there.
    let (work, work_tasks) = (CancellationToken::new(), Tasks::default());
    let watch = Watch {
        service: Arc::clone(&service),
        chassis: chassis.clone(),
        url: config.database_url.clone(),
        readiness: readiness.clone(),
        health: health.clone(),
        schedules: schedules.clone(),
        work: work.clone(),
        work_tasks: work_tasks.clone(),
    };
    let watch = tasks.spawn(watch.run());
    tracing::info!(service = S::NAME, %addr, "serving");
    Ok(Running {
        service,
        addr,
        readiness,
        chassis,
        url: config.database_url,
        schedules,
        health,
        background,
        work,
        work_tasks,
        watch,
        serve_stop,
        server,
        drain_delay: config.drain_delay,
    })
}

fn routes<S: Service>(
    hosted: Hosted<S>,
    health: &Healths,
    tunnels: Tunnels,
    reflects: bool,
) -> Result<Routes, StartError> {
    let mut routes = Routes::builder();
    hosted.service.routes(&mut routes);
    let hosted = Arc::new(hosted);
    routes.add_service(WorkServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(StatusServiceServer::new(Adapter(hosted)));
    routes.add_service(TunnelServiceServer::new(tunnels));
    routes.add_service(health.server());
    if !reflects {
        return Ok(routes.routes());
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(levqor_proto_runtime::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(S::DESCRIPTORS)
    };
    routes.add_service(reflection().build_v1()?);
    // grpcurl 1.8 asks for the older one.
    routes.add_service(reflection().build_v1alpha()?);
    Ok(routes.routes())
}

/// What a service can do, and what its process can tell.
pub(crate) fn capabilities<S: Service>(service: &S) -> Vec<Capability> {
    let mut capabilities = service.capabilities();
    capabilities.extend(telemetry::capabilities());
    capabilities
}

/// Shows whether the service can work.
fn show_ready(metrics: &Metrics, readiness: &Readiness) {
    let readiness = readiness.clone();
    metrics.gauge(&metrics::chassis::READY, move |observe| {
        let sound = readiness.measured().is_some_and(|measured| measured.is_sound());
        observe(f64::from(u8::from(sound && !readiness.is_draining())), &[]);
    });
}

/// Every schedule of a service: its own, and the chassis'. Where errors are not reported, there is nothing to test.
fn schedules<S: Service>(reports_errors: bool) -> Vec<Schedule> {
    let mut schedules = S::schedules();
    let (hour, week) = (TimeDelta::hours(1), TimeDelta::weeks(1));
    schedules.push(Schedule::new("purge_expired", hour, hour, || PurgeExpiredRequest {}));
    if reports_errors {
        schedules.push(Schedule::new("test_error_reports", week, week, || TestErrorReportsRequest {}));
    }
    schedules
}

/// Where one's own process reaches an address that it listens on.
#[must_use]
pub fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        _ => addr,
    }
}

/// Watches whether the tables are there, and begins to work when they are.
struct Watch<S> {
    service: Arc<S>,
    chassis: Chassis,
    url: DatabaseUrl,
    readiness: Readiness,
    health: Healths,
    schedules: Vec<Schedule>,
    work: CancellationToken,
    work_tasks: Tasks,
}

impl<S: Service> Watch<S> {
    async fn run(self) {
        const EVERY: Duration = Duration::from_secs(1);
        let mut working = false;
        let mut said = None;
        let mut probe = Probe::new(self.url.clone());
        while !self.work.is_cancelled() {
            let (time, begun) = (self.chassis.clock.now(), Instant::now());
            self.readiness.set_asked();
            let (history, writes) = probe.ask::<S>().await;
            let measurement = Measurement { history, writes, time, took: begun.elapsed() };
            self.readiness.set_measured(measurement);
            let (schema, ready) = (measurement.schema(), measurement.is_sound());
            if said != Some((schema, writes)) {
                match schema {
                    Some(Schema::Current | Schema::Ahead(_)) if !ready => {
                        let reason = writes.as_str();
                        tracing::warn!(service = S::NAME, reason, "the database does not take writes");
                    }
                    Some(Schema::Behind(count)) => {
                        tracing::warn!(service = S::NAME, count, "migrations are to run: `levqor migrate`");
                    }
                    Some(Schema::Changed(count)) => {
                        tracing::warn!(
                            service = S::NAME,
                            count,
                            "migrations were run in another form than this build's"
                        );
                    }
                    Some(Schema::Current | Schema::Ahead(_)) => tracing::info!(service = S::NAME, "ready"),
                    None => tracing::warn!(service = S::NAME, "the database does not answer"),
                }
                said = Some((schema, writes));
            }
            self.health.report(ready && !self.readiness.is_draining()).await;
            if ready && !working {
                working = true;
                self.begin();
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.work.cancelled() => {}
            }
        }
    }

    fn begin(&self) {
        let mut workers = Workers::new(self.work_tasks.clone(), self.work.clone());
        workers.add(Delivery::new(Arc::clone(&self.service), self.chassis.clone()));
        self.service.workers(&mut workers);
        for work in workers.into_loops() {
            self.work_tasks.spawn(work);
        }
        let (service, chassis) = (Arc::clone(&self.service), self.chassis.clone());
        let measurer = Measurer::new(service, chassis, self.url.clone(), self.schedules.clone());
        self.work_tasks.spawn(measurer.run(self.work.clone()));
        self.work_tasks.spawn(schedule::run(
            self.chassis.db.clone(),
            self.schedules.clone(),
            self.work.clone(),
        ));
        self.readiness.set_working();
    }
}

/// How long a drain waits: for deferred work, for calls, and for connections. What is cut off is taken up elsewhere.
const DRAIN_WORK: Duration = Duration::from_secs(20);
const DRAIN_CALLS: Duration = Duration::from_secs(15);
const DRAIN_POOL: Duration = Duration::from_secs(3);

impl<S: Service> Running<S> {
    /// The chassis.
    #[must_use]
    pub fn chassis(&self) -> &Chassis {
        &self.chassis
    }

    /// Measures once more what only the database knows, without waiting for the time to do so.
    pub async fn measure(&self) {
        let (service, chassis) = (Arc::clone(&self.service), self.chassis.clone());
        Measurer::new(service, chassis, self.url.clone(), self.schedules.clone()).measure().await;
    }

    /// Waits until the service can do its work.
    pub async fn ready(&self) {
        while !self.readiness.measured().is_some_and(|measured| measured.is_sound()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops without failing a call: says that it is not ready, waits until that is known, finishes the work it has
    /// begun, then the calls it has taken. Each part has its own patience, so that one that hangs does not cost the rest.
    pub async fn drain(mut self) {
        self.readiness.set_draining();
        self.health.report(false).await;
        tokio::time::sleep(self.drain_delay).await;
        // Ends the streams of those who watch the health.
        self.health.clear().await;
        self.work.cancel();
        // Work first: what is deferred to oneself still needs the server.
        within(DRAIN_WORK, "deferred work", self.work_tasks.finish()).await;
        self.serve_stop.cancel();
        let (watch, server) = (&mut self.watch, &mut self.server);
        within(DRAIN_CALLS, "calls", async {
            let _ = watch.await;
            if let Ok(Err(error)) = server.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the server stopped with an error");
            }
            self.chassis.tasks.finish().await;
        })
        .await;
        self.server.abort();
        self.watch.abort();
        self.background.stop();
        within(DRAIN_POOL, "connections", self.chassis.db.pool().close()).await;
        tracing::info!(service = S::NAME, "stopped");
    }
}

async fn within(patience: Duration, what: &str, part: impl Future<Output = ()>) {
    if tokio::time::timeout(patience, part).await.is_err() {
        tracing::warn!(what, "the drain did not wait to the end; what was cut off is taken up again");
    }
}
