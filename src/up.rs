//! `levqor up`: the whole mesh in one process, with nothing to set.
//!
//! Order: signals → data directory and its lock → every setting → every port → a place for PostgreSQL → secrets and
//! `run.json` → root becomes PostgreSQL's user → PostgreSQL → migrations → services → gateway → the table. Ctrl-C goes the
//! other way round, from wherever the start is.

pub(crate) mod database;
mod listen;
pub(crate) mod place;
mod running;
mod table;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use levqor_runtime::{
    config::{Env, Setting},
    context::Role,
    metrics::Metrics,
    postgres::{Account, PostgresError},
    telemetry,
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

/// How long a mesh that lost its database is waited for.
const WITHOUT_DATABASE: Duration = Duration::from_secs(5);

/// Everything that is read from the environment.
struct Config {
    gateway: levqor_gateway::Config,
    services: Vec<Box<dyn AnyConfig>>,
    listen: Listen,
}

/// Settings that only `levqor up` has.
pub(crate) fn settings() -> Vec<Setting> {
    database::settings()
}

/// Runs until told to stop.
pub(crate) async fn up(mut env: Env) -> anyhow::Result<()> {
    // Before anything is made that a signal could leave behind.
    let stop = StopSignal::new()?;
    let own_database =
        env.get("LEVQOR_DATABASE_URL").is_none() && env.get("LEVQOR_DATABASE_URL_FILE").is_none();
    let account = match Account::choose() {
        // Only PostgreSQL refuses to be root.
        Err(PostgresError::NoAccount) if !own_database => None,
        chosen => chosen?,
    };
    let data = DataDir::find(&env)?;
    data.make(account)?;
    let _lock = data.lock().await?;
    // One that was killed left it behind, and nothing runs there until we say so.
    data.remove_run_file();
    let given = mesh::given(&env);
    let secrets = data.secrets_to_be()?;
    let new_address_key = secrets.new.contains(&ADDRESS_KEY) && !given.iter().any(|name| name == ADDRESS_KEY);
    set_defaults(&mut env, &secrets.all);
    let (telling, config) = mesh::read_to_serve(&env, "up", |reader| {
        let gateway = levqor_gateway::Config::read(reader);
        // All of them before giving up, so that every mistake is found.
        let services: Vec<_> = services::ALL.iter().map(|service| service.read(reader)).collect();
        let listen = listen::listen(&env, reader);
        let services = services.into_iter().collect::<Option<_>>()?;
        Some(Config { gateway: gateway?, services, listen: listen? })
    })
    .await?;
    let start = Start { telling: &telling, config, own_database, given, account, secrets, new_address_key };
    telemetry::run(&telling.telemetry, "up", Box::pin(serve(&env, &data, start, stop))).await
}

/// What is known once the settings are sound.
struct Start<'a> {
    telling: &'a mesh::Telling,
    config: Config,
    own_database: bool,
    given: Vec<String>,
    account: Option<Account>,
    secrets: MadeSecrets,
    new_address_key: bool,
}

/// Everything after the settings are sound.
async fn serve(env: &Env, data: &DataDir, start: Start<'_>, mut stop: StopSignal) -> anyhow::Result<()> {
    let Start { telling, mut config, own_database, given, account, secrets, new_address_key } = start;
    let mut ports = Ports::bind(&config.listen).await?;
    let http = levqor_gateway::bind(&config.gateway).await?;
    let metrics = telling.metrics.bind().await?;
    config.gateway.metrics = Some(Metrics::telling(&telling.telemetry, levqor_gateway::NAME));
    for service in &mut config.services {
        service.count_with(Metrics::telling(&telling.telemetry, service.name()));
    }
    // The process is one, whatever runs in it: its memory must not be added up for each.
    let process = Metrics::telling(&telling.telemetry, "up");
    process.show_process();
    let scrape = Scrape { port: metrics, process };

    // Every service has read the same one.
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
        // Fetching PostgreSQL may take minutes, and a server that does not answer too.
        () = stop.wait() => return Ok(()),
    };
    data.write_secrets(&secrets)?;
    // Signed now: the file of its secret may be closed to the user that this process becomes.
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
    // Impatience is allowed: what is cut off is taken up at the next start.
    tokio::select! {
        _ = tokio::time::timeout(patience, mesh.drain()) => {}
        () = stop.wait() => {}
    }
    databases.close();
    ended
}

/// Addresses are found by a digest that is made with the key. With a new key none of those that are stored would be found:
/// a customer's mails would be sent twice, and those who want none would get some.
async fn refuse_old_addresses(databases: &Databases, data: &DataDir) -> anyhow::Result<()> {
    if let Some(what) = databases.with_addresses().await? {
        bail!(
            "{what} was made with a {ADDRESS_KEY} that is not in {}: put the old secrets.json back, or set {ADDRESS_KEY}; \
             `levqor reset` removes a private database and its secrets, to begin anew",
            data.path().join("secrets.json").display()
        );
    }
    Ok(())
}

/// What `up` makes for itself where it is not set.
pub(crate) fn set_defaults(env: &mut Env, secrets: &serde_json::Map<String, serde_json::Value>) {
    for (name, value) in secrets {
        if let Some(value) = value.as_str() {
            env.set_default(name, value);
        }
    }
    for service in levqor_gateway::methods().services() {
        env.set_default(&mesh::address_setting(service), "127.0.0.1:0");
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

/// Where everything is, for the other commands: known once the ports are bound.
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

/// Tells the other commands and the terminal that everything is there.
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
        // What is not set is `true`.
        assert_eq!(livemode(&[("LEVQOR_ENVIRONMENT", "production")]), None);
    }
}
