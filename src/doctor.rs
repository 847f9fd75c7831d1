//! `levqor doctor`: an audit of the mesh. It makes a real request to test every feature that is set up, and each line shows the
//! result.
//!
//! Order: whose settings → the settings → all checks at once (databases, the running mesh, vendors, telemetry) → the report. A
//! failure does not stop the other checks, because the next line may explain it.

mod capabilities;
mod mesh;
mod metrics;
mod report;
mod subject;
mod webhook;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use anyhow::bail;
use levqor_runtime::{
    check::{self, Check, Finding},
    client::{Address, Channels},
    clock::Clock,
    config::{Env, Problem, Reader},
    exposition::MetricsConfig,
    run,
    tasks::Background,
    telemetry::TelemetryConfig,
};

use self::{report::Report, subject::Subject};
use crate::{
    cli::{DoctorArguments, Role},
    mesh as settings, output,
    services::{self, AnyConfig},
    threads,
};

/// The longest wait for one answer of the mesh.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs every check, prints the results, and fails if something is on but does not work.
pub(crate) async fn doctor(env: Env, arguments: &DoctorArguments) -> anyhow::Result<()> {
    let subject = Subject::find(env, arguments.role)?;
    // Name lookups stop when this value is dropped.
    let background = Background::default();
    let checks = checks(&subject, &background);
    let lines = capabilities::one_line_each(check::run(checks).await);
    background.stop();
    let report = Report { whose: subject.whose.clone(), time: Clock::default().now(), lines };
    output::lines(&if arguments.json { report.json()? } else { report.table() })?;
    match report.failed().as_slice() {
        [] => Ok(()),
        [one] => bail!("1 check failed: {one}"),
        several => bail!("{} checks failed: {}", several.len(), several.join(", ")),
    }
}

/// Every check, in the order of the report.
fn checks(subject: &Subject, background: &Background) -> Vec<Check> {
    let mut problems = Vec::new();
    let telemetry = read(&subject.env, &mut problems, TelemetryConfig::read);
    // The services read the telemetry settings too. Each mistake is reported once, and the other checks of the services still
    // run.
    let subject = &subject.without(&problems);
    let roles = |subject: &Subject, problems: &mut Vec<Problem>| {
        let gateway = subject.plays(Role::Gateway, problems, levqor_gateway::Config::read);
        let services = services::ALL.iter().filter_map(|service| {
            subject.plays(Role::Service(*service), problems, |reader| service.read(reader))
        });
        (gateway, services.collect::<Vec<_>>())
    };
    let known = problems.len();
    let (mut gateway, mut services) = roles(subject, &mut problems);
    if problems.len() > known {
        // A mistake in one setting does not stop the other checks of its role.
        (gateway, services) = roles(&subject.without(&problems), &mut Vec::new());
    }
    let metrics = read(&subject.env, &mut problems, |reader| {
        threads::read(reader);
        reader.refuse_unknown(settings::OURS, &settings::settings());
        MetricsConfig::read(reader)
    });

    let mut checks = of_settings(subject, problems);
    let (mut seen, mut outside) = (Vec::new(), Vec::new());
    for service in &services {
        let checked = Checked::new(subject, service.as_ref());
        seen.extend(checked.database_seen);
        checks.extend(checked.database);
        outside.extend(checked.outside);
    }
    let addresses = addresses(subject, gateway.as_ref(), &services);
    let of_gateway = gateway.as_ref().and_then(|config| config.mesh_tls.as_read());
    let tls = of_gateway.or_else(|| services.first().and_then(|service| service.tls().as_read()));
    let channels = Channels::secured(&addresses, background, tls.as_ref());
    let known: BTreeSet<_> = addresses.keys().collect();
    checks.extend(known.into_iter().map(|service| subject.health(&channels, service)));
    // A certificate is for the gateway's public name, which LEVQOR_URL has.
    let plain = gateway.as_ref().filter(|config| !config.tls.is_on()).map(|config| config.http_addr);
    checks.extend(mesh::checks(subject, plain, seen));
    checks.extend(webhook::checks(subject));
    checks.extend(gateway.as_ref().map(|config| config.user_tokens.check()));
    checks.extend(gateway.as_ref().and_then(|config| config.mesh_tls.check(levqor_gateway::NAME)));
    checks.extend(gateway.as_ref().and_then(|config| config.tls.check()));
    checks.extend(services.iter().filter_map(|service| service.tls().check(service.name())));
    checks.extend(outside);
    checks.extend(telemetry.iter().flat_map(TelemetryConfig::checks));
    checks.extend(metrics.map(|config| metrics::check(subject, &config)));
    checks
}

/// The addresses of the services, as far as the checked roles know them.
fn addresses(
    subject: &Subject,
    gateway: Option<&levqor_gateway::Config>,
    services: &[Box<dyn AnyConfig>],
) -> HashMap<String, Vec<Address>> {
    let of_gateway = gateway.map(|config| &config.addresses);
    let of_services = services.iter().map(|config| config.addresses());
    let mut addresses: HashMap<_, _> =
        of_gateway.into_iter().chain(of_services).flat_map(|of| of.0.clone()).collect();
    // The process of a role knows where it listens itself.
    if subject.role.is_some() {
        for config in services {
            let own = vec![Address::Fixed(run::reachable(config.listen()))];
            addresses.insert(config.name().to_owned(), own);
        }
    }
    addresses
}

/// The checks that follow from the settings of a service.
struct Checked {
    /// The service, if its database can be reached from here.
    database_seen: Option<&'static str>,
    database: Vec<Check>,
    outside: Vec<Check>,
}

impl Checked {
    fn new(subject: &Subject, config: &dyn AnyConfig) -> Self {
        let url = subject.database(config);
        let database = if let Some(url) = &url {
            config.database_checks(url)
        } else {
            let why = "LEVQOR_DATABASE_URL is not set, and no `levqor up` runs here with one of its own";
            let how = "start `levqor up`, or set LEVQOR_DATABASE_URL";
            vec![Check::known(format!("{}.database", config.name()), Finding::off(why, how))]
        };
        let outside = config.checks(url.as_ref());
        Self { database_seen: url.map(|_| config.name()), database, outside }
    }
}

/// Reads a part of the settings. Its mistakes do not hide the mistakes of other parts.
fn read<T>(
    env: &Env,
    problems: &mut Vec<Problem>,
    part: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Option<T> {
    let mut reader = Reader::new(env);
    let config = part(&mut reader);
    match reader.finish(config) {
        Ok(config) => Some(config),
        Err(found) => {
            // Two roles may read the same setting. Its mistake is reported once.
            for problem in found.0 {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            None
        }
    }
}

fn of_settings(subject: &Subject, problems: Vec<Problem>) -> Vec<Check> {
    let all = settings::settings().len();
    let given =
        if subject.role.is_some() { settings::given(&subject.env).len() } else { subject.given.len() };
    let mut checks = Vec::new();
    if problems.is_empty() {
        let sound = format!("{all} are known, {given} of them are set here, and each can be read");
        checks.push(Check::known("settings", Finding::on(sound)));
    }
    let line = |problem: Problem| {
        Check::known(format!("settings.{}", problem.setting), Finding::failed(problem.expected))
    };
    checks.extend(problems.into_iter().map(line));
    checks.extend(subject.same_settings());
    checks
}
