//! `levqor up`: the whole mesh in one process, with nothing to set.
//!
//! Order: data directory and its lock → every setting → every port → PostgreSQL → migrations → services → gateway →
//! `run.json` and the table. Ctrl-C goes the other way round.

pub(crate) mod database;
mod table;

use std::{collections::BTreeMap, net::SocketAddr, pin::Pin};

use anyhow::Context;
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    access,
    client::{Address, Addresses, PeerAddress},
    clock::Clock,
    config::{Env, Reader, Setting},
    context::Role,
    db::migrations,
    metrics::{Exposition, Metrics},
    run::{self, ServiceConfig},
    service::Service,
    telemetry,
};
use tokio::net::TcpListener;

use self::database::Databases;
use crate::{
    client::Client,
    mesh, output,
    serve::StopSignal,
    state::{DataDir, RunFile},
    token,
};

/// Everything that is read from the environment.
struct Config {
    gateway: levqor_gateway::Config,
    billing: ServiceConfig<Billing>,
    notifications: ServiceConfig<Notifications>,
    listen: Listen,
}

/// Where each service listens, by its name.
type Listen = BTreeMap<&'static str, SocketAddr>;

/// Settings that only `levqor up` has.
pub(crate) fn settings() -> Vec<Setting> {
    database::settings()
}

/// Runs until told to stop.
pub(crate) async fn up(mut env: Env) -> anyhow::Result<()> {
    let data = DataDir::find(&env)?;
    data.make()?;
    let _lock = data.lock().await?;
    // One that was killed left it behind, and nothing runs there until we say so.
    data.remove_run_file();
    let own_database =
        env.get("LEVQOR_DATABASE_URL").is_none() && env.get("LEVQOR_DATABASE_URL_FILE").is_none();
    let given = mesh::given(&env);
    set_defaults(&mut env, &data.secrets()?);
    let (telling, config) = mesh::read_to_serve(&env, "up", |reader| {
        let gateway = levqor_gateway::Config::read(reader);
        let billing = ServiceConfig::read(reader);
        let notifications = ServiceConfig::read(reader);
        let listen = listen(&env, reader);
        Some(Config { gateway: gateway?, billing: billing?, notifications: notifications?, listen: listen? })
    })
    .await?;
    let start = Start { telling: &telling, config, own_database, given };
    telemetry::run(&telling.telemetry, "up", Box::pin(serve(&env, &data, start))).await
}

/// What is known once the settings are sound.
struct Start<'a> {
    telling: &'a mesh::Telling,
    config: Config,
    own_database: bool,
    given: Vec<String>,
}

/// Everything after the settings are sound.
async fn serve(env: &Env, data: &DataDir, start_with: Start<'_>) -> anyhow::Result<()> {
    let Start { telling, mut config, own_database, given } = start_with;
    let mut ports = Ports::bind(&config.listen).await?;
    let http = levqor_gateway::bind(&config.gateway).await?;
    let metrics = telling.metrics.bind().await?;
    config.gateway.metrics = Some(Metrics::telling(&telling.telemetry, levqor_gateway::NAME));
    config.billing.metrics = Some(Metrics::telling(&telling.telemetry, Billing::NAME));
    config.notifications.metrics = Some(Metrics::telling(&telling.telemetry, Notifications::NAME));
    // The process is one, whatever runs in it: its memory must not be added up three times.
    let process = Metrics::telling(&telling.telemetry, "up");
    process.show_process();

    let server = (!own_database).then(|| config.billing.database_url.clone());
    let databases = Databases::open(env, data, server).await?;
    let scrape = Scrape { port: metrics, process };
    let running = start(config, http, scrape, &mut ports, &databases).await;
    let (running, mut stop) = match running.and_then(|running| Ok((running, StopSignal::new()?))) {
        Ok(running) => running,
        Err(error) => {
            databases.close();
            return Err(error);
        }
    };
    let outcome = announce(env, data, &databases, &running, &ports, given).await;
    if outcome.is_ok() {
        stop.wait().await;
        output::lines("stopping; Ctrl-C again ends it at once")?;
    }
    data.remove_run_file();
    // Impatience is allowed: what is cut off is taken up at the next start.
    tokio::select! {
        () = running.drain() => {}
        () = stop.wait() => {}
    }
    databases.close();
    outcome
}

/// Where services are is where `up` listens itself: one place each. What is no address at all was noted already.
fn listen(env: &Env, reader: &mut Reader<'_>) -> Option<Listen> {
    let mut listen = Some(Listen::new());
    for setting in Addresses::settings() {
        let is_ours = |service: &&str| mesh::address_setting(service) == setting.name;
        let Some(name) = [Billing::NAME, Notifications::NAME].into_iter().find(is_ours) else { continue };
        let address = env.get(&setting.name).and_then(|text| text.parse::<PeerAddress>().ok());
        let address = match address.as_ref().map(|list| list.0.as_slice()) {
            Some([Address::Fixed(address)]) => Some(*address),
            Some(_) => {
                let expected = "expected one address and port, such as 127.0.0.1:50051: `levqor up` listens there itself";
                reader.problem(&setting, expected);
                None
            }
            None => None,
        };
        listen = listen.zip(address).map(|(mut listen, address)| {
            listen.insert(name, address);
            listen
        });
    }
    listen
}

/// What `up` makes for itself where it is not set.
pub(crate) fn set_defaults(env: &mut Env, secrets: &serde_json::Map<String, serde_json::Value>) {
    for (name, value) in secrets {
        if let Some(value) = value.as_str() {
            env.set_default(name, value);
        }
    }
    for setting in Addresses::settings() {
        env.set_default(&setting.name, "127.0.0.1:0");
    }
    // Replaced below by the private cluster's; the reader wants one.
    env.set_default("LEVQOR_DATABASE_URL", "postgres://private/levqor");
    // Without a key nothing says which of Stripe's modes is meant; in production only live money counts.
    if env.get("LEVQOR_ENVIRONMENT") != Some("production") {
        env.set_default("LEVQOR_STRIPE_LIVEMODE", "both");
    }
    env.set_default("LEVQOR_METRICS_ADDR", "127.0.0.1:0");
    env.set_default("LEVQOR_DRAIN_DELAY_MS", "0");
    env.set_default("LEVQOR_LOG", "warn");
    // Who develops a website on this machine has it at some port of this machine.
    env.set_default("LEVQOR_CORS_ORIGINS", "loopback");
}

/// The services' ports, bound before anything else is opened.
struct Ports {
    listeners: BTreeMap<&'static str, TcpListener>,
    addresses: BTreeMap<&'static str, SocketAddr>,
}

impl Ports {
    async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let mut ports = Self { listeners: BTreeMap::new(), addresses: BTreeMap::new() };
        for (service, wanted) in listen {
            let setting = mesh::address_setting(service);
            let busy = || format!("{setting}: cannot listen on {wanted}; is another program using the port?");
            let listener = TcpListener::bind(wanted).await.with_context(busy)?;
            ports.addresses.insert(service, listener.local_addr().with_context(busy)?);
            ports.listeners.insert(service, listener);
        }
        Ok(ports)
    }

    fn peers(&self) -> Addresses {
        let all = self.addresses.iter().map(|(name, addr)| ((*name).to_owned(), vec![Address::Fixed(*addr)]));
        Addresses(all.collect())
    }
}

/// What is shown of the process itself, and where all metrics are shown.
struct Scrape {
    port: Option<TcpListener>,
    process: Metrics,
}

type Drain = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The mesh, running.
struct Mesh {
    gateway: levqor_gateway::Running,
    services: Vec<Drain>,
    metrics: Option<Exposition>,
}

impl Mesh {
    /// The door first, then the services: no request finds a service gone.
    async fn drain(self) {
        self.gateway.drain(std::time::Duration::ZERO).await;
        for service in self.services {
            service.await;
        }
    }
}

async fn start(
    config: Config,
    http: TcpListener,
    scrape: Scrape,
    ports: &mut Ports,
    databases: &Databases,
) -> anyhow::Result<Mesh> {
    let mut gateway = config.gateway;
    gateway.addresses = ports.peers();
    let (billing, billing_metrics) = start_service(config.billing, ports, databases).await?;
    let (notifications, notifications_metrics) =
        start_service(config.notifications, ports, databases).await?;
    let gateway = levqor_gateway::start_on(http, gateway, access::methods(), Clock::default())?;
    let shown = vec![scrape.process, billing_metrics, notifications_metrics, gateway.metrics().clone()];
    let metrics = scrape.port.map(|port| Exposition::start(port, shown)).transpose()?;
    Ok(Mesh { gateway, services: vec![billing, notifications], metrics })
}

async fn start_service<S: Service>(
    mut config: ServiceConfig<S>,
    ports: &mut Ports,
    databases: &Databases,
) -> anyhow::Result<(Drain, Metrics)> {
    config.database_url = databases.of(S::NAME).await?;
    config.addresses = ports.peers();
    let migrated = migrations::migrate(&config.database_url, S::migrator()).await;
    migrated.with_context(|| format!("cannot migrate the database of {}", S::NAME))?;
    let listener =
        ports.listeners.remove(S::NAME).with_context(|| format!("{} was started twice", S::NAME))?;
    let running = run::start_on(listener, config).await?;
    running.ready().await;
    let metrics = running.chassis().metrics.clone();
    Ok((Box::pin(running.drain()), metrics))
}

/// Tells the other commands and the terminal where everything is.
async fn announce(
    env: &Env,
    data: &DataDir,
    databases: &Databases,
    mesh: &Mesh,
    ports: &Ports,
    given: Vec<String>,
) -> anyhow::Result<()> {
    let url = format!("http://{}", mesh.gateway.addr());
    let grpc = ports.addresses.iter().map(|(name, addr)| ((*name).to_owned(), addr.to_string())).collect();
    let metrics = mesh.metrics.as_ref().map(|metrics| format!("http://{}/metrics", metrics.addr()));
    let metrics = metrics.unwrap_or_else(|| "off".to_owned());
    let (pid, postgres) = (std::process::id(), databases.folder());
    let run = RunFile { url: url.clone(), grpc, metrics, pid, given, postgres };
    let client = Client::at(url, token::operator(env, Role::Staff)?)?;
    let status = client.get("/v1/status", &[]).await.context("the mesh does not answer its own status")?;
    data.write_run_file(&run)?;
    output::lines(&table::render(&status, &run, data.path(), databases.note()))
}
