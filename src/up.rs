//! `levqor up`: the whole mesh in one process, with nothing to set.
//!
//! Order: data directory and its lock → every setting → every port → PostgreSQL → migrations → services → gateway →
//! `run.json` and the table. Ctrl-C goes the other way round.

mod database;
mod table;

use std::{collections::BTreeMap, net::SocketAddr, pin::Pin};

use anyhow::{Context, bail};
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    access,
    client::{Address, Addresses},
    clock::Clock,
    config::Env,
    context::Role,
    db::migrations,
    run::{self, ServiceConfig},
    service::Service,
    telemetry,
};
use tokio::net::TcpListener;

use self::database::Databases;
use crate::{
    client::Client,
    mesh, output,
    serve::stop_signal,
    state::{DataDir, RunFile},
    token,
};

/// Everything that is read from the environment.
struct Config {
    gateway: levqor_gateway::Config,
    billing: ServiceConfig<Billing>,
    notifications: ServiceConfig<Notifications>,
}

/// Runs until told to stop.
pub(crate) async fn up(mut env: Env) -> anyhow::Result<()> {
    let data = DataDir::find(&env)?;
    data.make()?;
    let _lock = data.lock()?;
    let own_database =
        env.get("LEVQOR_DATABASE_URL").is_none() && env.get("LEVQOR_DATABASE_URL_FILE").is_none();
    set_defaults(&mut env, &data)?;
    let (telemetry, config) = mesh::read(&env, |reader| {
        let gateway = levqor_gateway::Config::read(reader);
        let billing = ServiceConfig::read(reader);
        let notifications = ServiceConfig::read(reader);
        Some(Config { gateway: gateway?, billing: billing?, notifications: notifications? })
    })?;
    let _guard = telemetry::init(&telemetry);

    let mut ports = Ports::bind(&config).await?;
    let http = levqor_gateway::bind(&config.gateway).await?;

    let server = (!own_database).then(|| config.billing.database_url.clone());
    let databases = Databases::open(&env, &data, server).await?;
    let running = start(config, http, &mut ports, &databases).await;
    let running = match running {
        Ok(running) => running,
        Err(error) => {
            databases.close();
            return Err(error);
        }
    };
    let outcome = announce(&env, &data, &databases, &running, &ports).await;
    if outcome.is_ok() {
        stop_signal().await?;
        output::lines("stopping; Ctrl-C again ends it at once")?;
    }
    data.remove_run_file();
    // Impatience is allowed: what is cut off is taken up at the next start.
    tokio::select! {
        () = running.drain() => {}
        stopped = stop_signal() => stopped?,
    }
    databases.close();
    outcome
}

/// What `up` makes for itself where it is not set.
fn set_defaults(env: &mut Env, data: &DataDir) -> anyhow::Result<()> {
    for (name, value) in data.secrets()? {
        if let Some(value) = value.as_str() {
            env.set_default(&name, value);
        }
    }
    for setting in Addresses::settings() {
        env.set_default(&setting.name, "127.0.0.1:0");
    }
    // Replaced below by the private cluster's; the reader wants one.
    env.set_default("LEVQOR_DATABASE_URL", "postgres://private/levqor");
    env.set_default("LEVQOR_DRAIN_DELAY_MS", "0");
    env.set_default("LEVQOR_LOG", "warn");
    Ok(())
}

/// The services' ports, bound before anything else is opened.
struct Ports {
    listeners: BTreeMap<&'static str, TcpListener>,
    addresses: BTreeMap<&'static str, SocketAddr>,
}

impl Ports {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let mut ports = Self { listeners: BTreeMap::new(), addresses: BTreeMap::new() };
        ports.bind_one::<Billing>(&config.gateway).await?;
        ports.bind_one::<Notifications>(&config.gateway).await?;
        Ok(ports)
    }

    async fn bind_one<S: Service>(&mut self, gateway: &levqor_gateway::Config) -> anyhow::Result<()> {
        let setting = mesh::address_setting::<S>();
        let wanted = gateway.addresses.0.get(S::NAME).map(Vec::as_slice);
        let Some([Address::Fixed(wanted)]) = wanted else {
            bail!(
                "{setting}: `levqor up` listens there itself; expected one address and port such as 127.0.0.1:50051"
            );
        };
        let busy = || format!("{setting}: cannot listen on {wanted}; is another program using the port?");
        let listener = TcpListener::bind(wanted).await.with_context(busy)?;
        self.addresses.insert(S::NAME, listener.local_addr().with_context(busy)?);
        self.listeners.insert(S::NAME, listener);
        Ok(())
    }

    fn peers(&self) -> Addresses {
        let all = self.addresses.iter().map(|(name, addr)| ((*name).to_owned(), vec![Address::Fixed(*addr)]));
        Addresses(all.collect())
    }
}

type Drain = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The mesh, running.
struct Mesh {
    gateway: levqor_gateway::Running,
    services: Vec<Drain>,
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
    ports: &mut Ports,
    databases: &Databases,
) -> anyhow::Result<Mesh> {
    let mut gateway = config.gateway;
    gateway.addresses = ports.peers();
    let services = vec![
        start_service(config.billing, ports, databases).await?,
        start_service(config.notifications, ports, databases).await?,
    ];
    let gateway = levqor_gateway::start_on(http, gateway, access::methods(), Clock::default())?;
    Ok(Mesh { gateway, services })
}

async fn start_service<S: Service>(
    mut config: ServiceConfig<S>,
    ports: &mut Ports,
    databases: &Databases,
) -> anyhow::Result<Drain> {
    config.database_url = databases.of(S::NAME).await?;
    config.addresses = ports.peers();
    let migrated = migrations::migrate(&config.database_url, S::migrator()).await;
    migrated.with_context(|| format!("cannot migrate the database of {}", S::NAME))?;
    let listener =
        ports.listeners.remove(S::NAME).with_context(|| format!("{} was started twice", S::NAME))?;
    let running = run::start_on(listener, config).await?;
    running.ready().await;
    Ok(Box::pin(running.drain()))
}

/// Tells the other commands and the terminal where everything is.
async fn announce(
    env: &Env,
    data: &DataDir,
    databases: &Databases,
    mesh: &Mesh,
    ports: &Ports,
) -> anyhow::Result<()> {
    let url = format!("http://{}", mesh.gateway.addr());
    let grpc = ports.addresses.iter().map(|(name, addr)| ((*name).to_owned(), addr.to_string())).collect();
    let run = RunFile { url: url.clone(), grpc, pid: std::process::id() };
    let client = Client::at(url, token::operator(env, Role::Staff)?)?;
    let status = client.get("/v1/status", &[]).await.context("the mesh does not answer its own status")?;
    data.write_run_file(&run)?;
    output::lines(&table::render(&status, &run, data.path(), databases.note()))
}
