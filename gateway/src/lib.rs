#![doc = include_str!("../README.md")]

mod admission;
mod auth;
mod body;
mod config;
mod cors;
pub mod fail_point;
mod head;
mod health;
mod idempotency;
pub mod metrics;
mod page;
mod peer;
mod pipeline;
mod privacy_signal;
mod problem;
mod rates;
mod server;
mod shares;
mod transcode;
mod webhooks;
mod widget;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::Response,
};
use levqor_runtime::{
    access::{self, Methods},
    client::Channels,
    clock::Clock,
    lifecycle::Readiness,
    metrics::Metrics,
    port::Limits,
    service::Capability,
    tasks::Background,
    telemetry,
    tls::{Acceptor, show_expiry},
    token::{ServiceTokens, UserTokens},
    version,
};
use tokio::net::TcpListener;

use self::{
    admission::Admission,
    auth::Auth,
    body::Bodies,
    cors::Cors,
    health::{Health, Meter},
    pipeline::Pipeline,
    problem::Problem,
    rates::Rates,
    server::GatewayHandler,
    transcode::Transcoder,
    webhooks::Webhooks,
};
pub use self::{
    body::BodyLimits,
    config::{Config, settings},
    cors::{NotOrigins, Origins},
    peer::{ForwardedHeader, TrustedProxies},
    rates::RatesConfig,
    server::Running,
    transcode::{RouteError, Silence},
};

/// The gateway's name in the mesh.
pub const NAME: &str = "gateway";

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is in use, or its use is not allowed.
    #[error("LEVQOR_HTTP_ADDR: cannot listen on {addr}; is another program using the port?")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A route in the protos cannot be served.
    #[error("a google.api.http option cannot be served")]
    Route(#[from] RouteError),
}

/// Binds the gateway's port, so that a port in use is noticed before anything else is opened.
pub async fn bind(config: &Config) -> Result<TcpListener, StartError> {
    let addr = config.http_addr;
    TcpListener::bind(addr).await.map_err(|source| StartError::Listen { addr, source })
}

/// Every RPC of the mesh.
#[must_use]
pub fn methods() -> &'static Methods {
    access::register(levqor_proto::FILE_DESCRIPTOR_SETS)
}

/// The fingerprint of the protos that the gateway uses.
#[must_use]
pub fn protocol() -> String {
    version::protocol(levqor_proto::FILE_DESCRIPTOR_SETS)
}

/// Starts to serve the RPCs of `methods` over REST: [`methods()`], or in tests others.
pub async fn start(config: Config, methods: &'static Methods, clock: Clock) -> Result<Running, StartError> {
    start_on(bind(&config).await?, config, methods, clock)
}

/// Starts to serve on a port that is bound already.
pub fn start_on(
    listener: TcpListener,
    config: Config,
    methods: &'static Methods,
    clock: Clock,
) -> Result<Running, StartError> {
    let Config {
        http_addr,
        tls,
        request_timeout,
        max_concurrent_requests,
        idle_timeout,
        head_timeout,
        cors_origins,
        rates,
        connections,
        bodies,
        silence,
        user_tokens,
        mesh_keys,
        addresses,
        mesh_tls,
        metrics,
        trusted_proxies,
        demo_page,
    } = config;
    let metrics = metrics.unwrap_or_else(|| Metrics::new(NAME));
    let listen = |source| StartError::Listen { addr: http_addr, source };
    let addr = listener.local_addr().map_err(listen)?;
    let background = Background::default();
    let mesh_tls = mesh_tls.watched(&background);
    let channels =
        Channels::secured(&addresses.0, &background, mesh_tls.as_ref()).measured(&metrics, methods);
    let auth = Arc::new(Auth::new(UserTokens::new(&user_tokens, clock.clone()), &metrics));
    let tokens = Arc::new(ServiceTokens::new(&mesh_keys, clock.clone()));
    let readiness = Readiness::default();
    let counters = Arc::new(Rates::new(&rates));
    let transcoder = Transcoder::try_new(
        methods,
        channels.clone(),
        Arc::clone(&auth),
        Arc::clone(&counters),
        request_timeout,
        silence,
    )?;
    let transcoder = Arc::new(transcoder);
    let mut services: Vec<_> = addresses.0.into_keys().collect();
    services.sort();
    let health = Arc::new(Health {
        since: clock.now(),
        protocol: protocol(),
        meter: Meter::new(channels.clone(), Arc::clone(&tokens), services, clock.clone()),
        readiness: readiness.clone(),
        auth,
        rates: counters,
        capabilities: capabilities(&transcoder, &rates, &cors_origins, mesh_tls.is_some()),
    });
    let shown = health.capabilities.clone();
    metrics.capabilities(move || shown.iter().cloned().chain(telemetry::capabilities()).collect());
    let routes = health::routes(health)
        .merge(webhooks::routes(Webhooks::new(&channels, &background, tokens, clock, &metrics)))
        .merge(widget::routes(demo_page))
        .merge(privacy_signal::routes())
        .route_layer(middleware::from_fn(name_span))
        .method_not_allowed_fallback(async || Problem::method_not_allowed(None))
        .fallback_service(Router::new().fallback(transcode::serve).with_state(transcoder));

    let admission = Admission::new(max_concurrent_requests, Bodies::new(bodies));
    let cors = Cors::new(cors_origins);
    let scheme = if tls.is_on() { "https" } else { "http" };
    let pipeline = Pipeline::new(routes, cors, admission, readiness.clone(), &metrics, scheme);
    let limits = Limits { head: head_timeout, idle: idle_timeout, ..connections };
    let public = tls.watched(&background);
    show_expiry(&metrics, mesh_tls.as_ref(), public.as_ref());
    let acceptor = public.map(|live| Acceptor::public(live, &metrics));
    let (pipeline, proxies) = (Arc::new(pipeline), Arc::new(trusted_proxies));
    let handler = GatewayHandler { pipeline, proxies, acceptor };
    Ok(Running::new(listener, addr, limits, handler, readiness, background, metrics))
}

/// The gateway's capabilities. Webhooks are capabilities of the services that verify them. The
/// gateway passes on all webhooks, so it does not know whether they are ON.
fn capabilities(
    transcoder: &Transcoder,
    rates: &RatesConfig,
    origins: &Origins,
    certified: bool,
) -> Vec<Capability> {
    let off = |name| Capability::off(name, "not part of this version");
    let limits = if rates.on {
        Capability::on("rate_limits", rates.describe())
    } else {
        Capability::off("rate_limits", "LEVQOR_RATE_LIMITS is off: nobody's requests are counted")
    };
    let cors = if origins.is_empty() {
        Capability::off("cors", "LEVQOR_CORS_ORIGINS is not set")
    } else {
        Capability::on("cors", format!("pages may call from {}", origins.describe()))
    };
    let mesh_tls = if certified {
        Capability::on("mesh_tls", "gateway and services prove their names to each other by certificates")
    } else {
        Capability::off("mesh_tls", "without certificates, calls to the services go over plain TCP")
    };
    vec![
        Capability::on("rest", format!("{} routes, read from the protos", transcoder.routes())),
        limits,
        mesh_tls,
        off("openapi"),
        cors,
        Capability::on(
            "privacy_signal",
            "Sec-GPC is honoured where consents are recorded, and /.well-known/gpc.json says so",
        ),
        Capability::on("widget", "GET /widget.js: the chat of a website"),
        Capability::on("incidents", "the status has those that support published, while support answers"),
    ]
}

/// Names the spans of the routes that are not transcoded.
async fn name_span(request: Request, next: Next) -> Response {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        pipeline::name_span(|| format!("{} {}", request.method(), path.as_str()), path.as_str());
    }
    next.run(request).await
}
