//! Starts a service: port, chassis, the service itself, its routes, its server, its work.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{config::ServiceConfig, routes, watch::Watch};
use crate::{
    access,
    chassis::Chassis,
    client::{Address, Channels},
    clock::Clock,
    code_limit::CodeLimit,
    db::{DatabaseUrl, Db},
    health::Healths,
    hosted::{self, Hosted},
    lifecycle::Readiness,
    measure::Measurer,
    metrics::{self, Metrics},
    recorded::KEEPER,
    refusals::Refusals,
    schedule::Schedule,
    server::{self, Admission, Stack},
    service::Service,
    tasks::{Background, Tasks},
    tls::{Acceptor, show_expiry},
    token::{ServiceTokens, UserTokens},
    tunnel::{TunnelHost, Tunnelled},
    wakes::Wakes,
};

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is in use, or not permitted.
    #[error("{service} cannot listen on {address}: {}", source.kind())]
    Bind { service: &'static str, address: SocketAddr, source: io::Error },
    /// The service could not be built.
    #[error("{service} cannot start")]
    Build { service: &'static str, source: anyhow::Error },
    /// Reflection cannot serve the descriptors.
    #[error("the compiled-in descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A running service.
pub struct Running<S> {
    /// The service itself.
    pub service: Arc<S>,
    /// The address that it listens on.
    pub addr: SocketAddr,
    pub readiness: Readiness,
    pub(super) chassis: Chassis,
    pub(super) url: DatabaseUrl,
    pub(super) schedules: Vec<Schedule>,
    pub(super) health: Healths,
    pub(super) background: Background,
    pub(super) work: CancellationToken,
    pub(super) work_tasks: Tasks,
    pub(super) watch: JoinHandle<()>,
    pub(super) serve_stop: CancellationToken,
    pub(super) server: JoinHandle<()>,
    pub(super) drain_delay: Duration,
}

impl<S: Service> Running<S> {
    /// The chassis.
    #[must_use]
    pub fn chassis(&self) -> &Chassis {
        &self.chassis
    }

    /// Measures the values from the database now, without waiting for the next interval.
    pub async fn measure(&self) {
        let (service, chassis) = (Arc::clone(&self.service), self.chassis.clone());
        Measurer::new(service, chassis, self.url.clone(), self.schedules.clone()).measure().await;
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) {
        while !self.readiness.is_sound() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Starts a service at its configured address. It serves when this returns; it is ready when its database is.
pub async fn start<S: Service>(config: ServiceConfig<S>) -> Result<Running<S>, StartError> {
    let bind = |source| StartError::Bind { service: S::NAME, address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
    start_on(listener, config).await
}

/// Starts a service on a port that is already bound.
pub async fn start_on<S: Service>(
    listener: TcpListener,
    config: ServiceConfig<S>,
) -> Result<Running<S>, StartError> {
    crate::install_crypto();
    let schedules = config.schedules();
    // 1. The address first: a busy port must not leave a pool behind.
    let bind = |source| StartError::Bind { service: S::NAME, address: config.listen, source };
    let addr = listener.local_addr().map_err(bind)?;

    // 2. The chassis.
    let (clock, wakes, tasks, background) =
        (Clock::default(), Wakes::default(), Tasks::default(), Background::default());
    let metrics = config.metrics.unwrap_or_else(|| Metrics::new(S::NAME));
    let tokens = Arc::new(ServiceTokens::new(&config.mesh_keys, clock.clone()));
    let tls = config.tls.watched(&background);
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
        channels: Channels::secured(&addresses, &background, tls.as_ref())
            .measured(&metrics, access::methods()),
        tokens: Arc::clone(&tokens),
        tasks: tasks.clone(),
        wakes,
        clock: clock.clone(),
        metrics: metrics.clone(),
    };

    // 3. The service.
    let recipients = S::recipients(&config.own);
    let service = S::build(config.own, chassis.clone())
        .await
        .map_err(|source| StartError::Build { service: S::NAME, source })?;

    // 4. Its routes, and the routes that every service hosts.
    let readiness = Readiness::default();
    await_comparison(config.ledger_check, &chassis, &readiness);
    show_ready(&metrics, &readiness);
    show_expiry(&metrics, tls.as_ref(), None);
    show_capabilities(&metrics, &service);
    let health = Healths::new(S::NAME).await;
    let hosted = Hosted {
        service: Arc::clone(&service),
        readiness: readiness.clone(),
        schedules: schedules.clone(),
        error_reports: config.error_reports,
        recipients,
    };
    let admission = Admission {
        service: S::NAME,
        users: UserTokens::new(&config.users, clock),
        services: tokens,
        readiness: readiness.clone(),
        certificates: tls.is_some(),
        refusals: Refusals::new(&metrics),
        codes: CodeLimit::new(chassis.db.clone(), config.mesh_keys.caller_hashes(), config.code_rate),
    };
    let serve_stop = CancellationToken::new();
    let stack = Arc::new(Stack::new(admission, &metrics));
    let mut tunnelled = Tunnelled::default();
    service.tunnelled(&mut tunnelled);
    let tunnels = TunnelHost::new(tunnelled, Arc::clone(&stack), tasks.clone(), serve_stop.clone());
    let reflection = config.reflection.unwrap_or_else(|| addr.ip().to_canonical().is_loopback());
    let routes = routes::routes(hosted, &health, tunnels, reflection)?;
    let app = server::around(stack, routes.prepare().into_axum_router());

    // 5. Serve.
    let acceptor = tls.map(|live| Acceptor::mutual(live, &metrics));
    let server = tasks.spawn(server::serve_mesh(listener, app, acceptor, serve_stop.clone()));

    // 6. Work, once the tables exist.
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

/// Lets the database be compared with the ledger of erasures before the service serves, if this mesh has a ledger.
fn await_comparison(is_wanted: bool, chassis: &Chassis, readiness: &Readiness) {
    if !is_wanted {
        let service = chassis.service;
        tracing::warn!(service, "the database is not compared with the ledger of erasures");
    } else if chassis.channels.get(KEEPER).is_some() {
        readiness.set_uncompared();
    }
}

fn show_ready(metrics: &Metrics, readiness: &Readiness) {
    let readiness = readiness.clone();
    metrics.gauge(&metrics::chassis::READY, move |observe| {
        observe(f64::from(u8::from(readiness.is_sound() && !readiness.is_draining())), &[]);
    });
}

fn show_capabilities<S: Service>(metrics: &Metrics, service: &Arc<S>) {
    // The metrics belong to the service and must not keep it alive.
    let of = Arc::downgrade(service);
    metrics.capabilities(move || {
        of.upgrade().map(|service| hosted::capabilities(&*service)).unwrap_or_default()
    });
}

/// The address at which this process reaches a port that it listens on.
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
