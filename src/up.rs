//! `levqor up`: runs the whole mesh in one process, without any settings.
//!
//! Order: signals → data directory and its lock → every setting → every port → folders for PostgreSQL → secrets and `run.json` →
//! root becomes PostgreSQL's user → PostgreSQL → migrations → services → gateway → the table. Ctrl-C stops the mesh in the
//! opposite order, even during the start.

pub(crate) mod database;
pub(crate) mod folders;
mod listen;
mod running;
mod table;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use levqor_runtime::{
    config::{Env, Setting},
    context::Role,
    metrics::Metrics,
    postgres::{Account, PostgresError},
    storage::Place,
    telemetry,
    tls::PublicTls,
};

use self::{
    database::Databases,
    listen::{Listen, Ports},
    running::{Mesh, Scrape},
};
use crate::{
    client::Client,
    mesh, output,
    serve::StopSignal,
    services::{self, AnyConfig},
    state::{ADDRESS_KEY, DataDir, HeldRunFile, MadeSecrets, RunFile},
    token,
};

/// The longest time to stop a mesh that has lost its database.
const WITHOUT_DATABASE: Duration = Duration::from_secs(5);

/// All settings that are read from the environment.
struct Config {
    gateway: levqor_gateway::Config,
    services: Vec<Box<dyn AnyConfig>>,
    listen: Listen,
}

/// The settings that only `levqor up` has.
pub(crate) fn settings() -> Vec<Setting> {
    database::settings()
}

/// Runs until a stop signal.
pub(crate) async fn up(mut env: Env) -> anyhow::Result<()> {
    // The signals come first, so that a signal cannot leave files or processes behind.
    let stop = StopSignal::new()?;
    let own_database =
        env.get("LEVQOR_DATABASE_URL").is_none() && env.get("LEVQOR_DATABASE_URL_FILE").is_none();
    let account = match Account::choose() {
        // Only PostgreSQL refuses to run as root.
        Err(PostgresError::NoAccount) if !own_database => None,
        chosen => chosen?,
    };
    let data = DataDir::find(&env)?;
    data.make(account)?;
    let _lock = data.lock().await?;
    // A `levqor up` that was killed left this file, and no mesh runs until this one writes it.
    data.remove_run_file();
    let given = mesh::given(&env);
    let secrets = data.secrets_to_be()?;
    let new_address_key = secrets.new.contains(&ADDRESS_KEY) && !given.iter().any(|name| name == ADDRESS_KEY);
    set_defaults(&mut env, &secrets.all);
    let is_own_storage = !Place::is_named(|name| env.get(name).is_some());
    data.set_defaults(&mut env);
    let (telling, config) = mesh::read_to_serve(&env, "up", |reader| {
        PublicTls::refuse(
            reader,
            "is for `levqor serve gateway`: the commands call `levqor up` over plain HTTP",
        );
        let gateway = levqor_gateway::Config::read(reader);
        // Every service is read before the first mistake stops the start, so that all mistakes are reported.
        let services: Vec<_> = services::ALL.iter().map(|service| service.read(reader)).collect();
        let listen = listen::listen(&env, reader);
        let services = services.into_iter().collect::<Option<_>>()?;
        Some(Config { gateway: gateway?, services, listen: listen? })
    })
    .await?;
    if is_own_storage {
        data.make_uploads(account)?;
    }
    let start = Start { telling: &telling, config, own_database, given, account, secrets, new_address_key };
    telemetry::run(&telling.telemetry, "up", Box::pin(serve(&env, &data, start, stop))).await
}

/// The needs of the start after the settings are valid.
struct Start<'a> {
    telling: &'a mesh::Telling,
    config: Config,
    own_database: bool,
    given: Vec<String>,
    account: Option<Account>,
    secrets: MadeSecrets,
    new_address_key: bool,
}

/// Everything after the settings are valid.
async fn serve(env: &Env, data: &DataDir, start: Start<'_>, mut stop: StopSignal) -> anyhow::Result<()> {
    let Start { telling, mut config, own_database, given, account, secrets, new_address_key } = start;
    let mut ports = Ports::bind(&config.listen).await?;
    let http = levqor_gateway::bind(&config.gateway).await?;
    let metrics = telling.metrics.bind().await?;
    config.gateway.demo_page = true;
    config.gateway.metrics = Some(Metrics::telling(&telling.telemetry, levqor_gateway::NAME));
    for service in &mut config.services {
        service.count_with(Metrics::telling(&telling.telemetry, service.name()));
    }
    // All services share one process, so its memory must not be counted once for each service.
    let process = Metrics::telling(&telling.telemetry, "up");
    process.show_process();
    let scrape = Scrape { port: metrics, process };

    // Every service has read the same database setting.
    let named = config.services.first().filter(|_| !own_database);
    let server = named.map(|service| service.database_url().clone());
    let prepared = async {
        let databases = Databases::prepare(env, data, server, account).await?;
        if new_address_key {
            refuse_old_addresses(&databases, data).await?;
        }
        anyhow::Ok(databases)
    };
    let databases = tokio::select! {
        databases = Box::pin(prepared) => databases?,
        // Fetching PostgreSQL may take minutes, and so may waiting for a server that does not answer.
        () = stop.wait() => return Ok(()),
    };
    data.write_secrets(&secrets)?;
    // The token is signed before root becomes another user, because that user may not read the file of the secret.
    let token = token::operator(env, Role::Staff)?;
    let run = run_file(http.local_addr()?, &ports, scrape.addr(), given, &databases);
    let mut held = data.hold_run_file()?;
    held.write(&run)?;
    match account {
        Some(account) => account.assume()?,
        None if nix::unistd::geteuid().is_root() => {
            tracing::warn!("there is no user `postgres` or `nobody` to become: this process stays root");
        }
        None => {}
    }

    let client = Client::at(run.url.clone(), token)?;
    let mut mesh = Mesh::default();
    let ended = {
        let running = async {
            databases.start().await?;
            let started = async {
                mesh.start(config, http, scrape, &mut ports, &databases).await?;
                announce(&client, &mut held, run, data, &databases).await?;
                std::future::pending().await
            };
            tokio::select! {
                started = started => started,
                error = databases.keep() => Err(error),
            }
        };
        tokio::select! {
            ended = Box::pin(running) => ended,
            () = stop.wait() => Ok(()),
        }
    };
    if ended.is_ok() {
        output::tell("stopping; Ctrl-C again ends it at once");
    }
    held.remove();
    let patience = if ended.is_ok() { Duration::MAX } else { WITHOUT_DATABASE };
    // A second signal may cut off the drain: the next start continues the work.
    tokio::select! {
        _ = tokio::time::timeout(patience, mesh.drain()) => {}
        () = stop.wait() => {}
    }
    databases.close();
    ended
}

/// Stored addresses are found by a hash with the key. With a new key none of them would be found: customers would get mails a
/// second time, and customers who want no mails would get some.
async fn refuse_old_addresses(databases: &Databases, data: &DataDir) -> anyhow::Result<()> {
    if let Some(what) = databases.with_addresses().await? {
        bail!(
            "{what} was made with a {ADDRESS_KEY} that is not in {}: put the old secrets.json back, or set {ADDRESS_KEY}; \
             `levqor reset` removes a private database and its secrets, to start again",
            data.path().join("secrets.json").display()
        );
    }
    Ok(())
}

/// Sets the defaults of `levqor up` for unset settings.
pub(crate) fn set_defaults(env: &mut Env, secrets: &serde_json::Map<String, serde_json::Value>) {
    for (name, value) in secrets {
        if let Some(value) = value.as_str() {
            env.set_default(name, value);
        }
    }
    for service in levqor_gateway::methods().services() {
        env.set_default(&mesh::address_setting(service), "127.0.0.1:0");
    }
    // Each service listens at the address at which the others find it.
    env.remove("LEVQOR_GRPC_ADDR");
    // The URL of the private cluster replaces this value later. The reader needs a value.
    env.set_default("LEVQOR_DATABASE_URL", "postgres://private/levqor");
    // Without an API key, nothing tells which of Stripe's modes is meant. In production only live mode counts.
    if env.get("LEVQOR_ENVIRONMENT") != Some("production") {
        env.set_default("LEVQOR_STRIPE_LIVEMODE", "both");
    }
    // Mails link to the gateway of this machine.
    let gateway = env.get("LEVQOR_HTTP_ADDR").unwrap_or("127.0.0.1:8080").to_owned();
    env.set_default("LEVQOR_API_URL", format!("http://{gateway}"));
    env.set_default("LEVQOR_METRICS_ADDR", "127.0.0.1:0");
    env.set_default("LEVQOR_DRAIN_DELAY_MS", "0");
    env.set_default("LEVQOR_LOG", "warn");
    // A website under development on this machine may use any port of this machine.
    env.set_default("LEVQOR_CORS_ORIGINS", "loopback");
}

/// The addresses for the other commands. They are known once the ports are bound.
fn run_file(
    http: SocketAddr,
    ports: &Ports,
    metrics: Option<SocketAddr>,
    given: Vec<String>,
    databases: &Databases,
) -> RunFile {
    let metrics = metrics.map_or_else(|| "off".to_owned(), |addr| format!("http://{addr}/metrics"));
    RunFile {
        url: format!("http://{http}"),
        grpc: ports.shown(),
        metrics,
        pid: std::process::id(),
        given,
        postgres: databases.folder(),
        ready: false,
    }
}

/// Tells the other commands and the terminal that the mesh has started.
async fn announce(
    client: &Client,
    held: &mut HeldRunFile,
    run: RunFile,
    data: &DataDir,
    databases: &Databases,
) -> anyhow::Result<()> {
    let status = client.get("/v1/status", &[]).await.context("the mesh does not answer its own status")?;
    let run = RunFile { ready: true, ..run };
    held.write(&run)?;
    output::lines(&table::render(&status, &run, data.path(), databases.note()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_key_both_modes_count_but_in_production_only_live_money_does() {
        let livemode = |pairs: &[(&str, &str)]| {
            let mut env = Env::from_pairs(pairs.iter().copied());
            set_defaults(&mut env, &serde_json::Map::new());
            env.get("LEVQOR_STRIPE_LIVEMODE").map(str::to_owned)
        };
        assert_eq!(livemode(&[]).as_deref(), Some("both"));
        assert_eq!(livemode(&[("LEVQOR_STRIPE_LIVEMODE", "false")]).as_deref(), Some("false"));
        // If the setting is not set, it is `true`.
        assert_eq!(livemode(&[("LEVQOR_ENVIRONMENT", "production")]), None);
    }
}
