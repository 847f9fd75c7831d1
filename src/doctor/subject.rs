//! The subject of the doctor's checks: the settings of the `levqor up` on this machine, or of one role's own process.

use levqor_runtime::{
    check::{Check, Finding},
    client::Channels,
    config::{Env, Problem, Reader, Setting},
    db::DatabaseUrl,
    tls::{MeshTls, PublicTls},
};

use crate::{
    cli::Role,
    client::without_password,
    mesh,
    services::AnyConfig,
    state::{self, DataDir, RunFile},
    up,
};

/// The process whose settings are checked.
#[derive(Clone)]
pub(super) struct Subject {
    /// A description of the process, in words.
    pub(super) whose: String,
    /// The settings, as that process would read them.
    pub(super) env: Env,
    /// The names of the settings that are set here. Empty for a role: to name the settings of all roles makes the RPCs of all
    /// services known, and then this role would be asked for addresses that its own process does not need.
    pub(super) given: Vec<String>,
    /// The role. None for the whole mesh of `levqor up`.
    pub(super) role: Option<Role>,
    /// The run file of the `levqor up` that runs here.
    run: Option<RunFile>,
}

impl Subject {
    /// Finds the settings and the addresses, and changes nothing.
    pub(super) fn find(mut env: Env, role: Option<Role>) -> anyhow::Result<Self> {
        if let Some(role) = role {
            let whose = format!("`levqor serve {}` with this environment", role.name());
            return Ok(Self { whose, env, given: Vec::new(), role: Some(role), run: None });
        }
        let given = mesh::given(&env);
        let data = DataDir::find(&env)?;
        // If the environment names a gateway, that gateway is meant, even if a mesh runs here.
        let elsewhere = env.get("LEVQOR_URL").map(str::to_owned);
        let run = if elsewhere.is_none() { data.run_file()? } else { None };
        up::set_defaults(&mut env, &data.secrets_to_be()?.all);
        data.set_defaults(&mut env);
        for (service, address) in run.iter().flat_map(|run| &run.grpc) {
            env.set(&mesh::address_setting(service), address);
        }
        let whose = match (&elsewhere, &run) {
            (Some(url), _) => {
                format!("the mesh at {}, as this environment would start it", without_password(url))
            }
            (None, Some(run)) if !run.ready => {
                format!("the `levqor up` that runs here, at {}, and is still starting", run.url)
            }
            (None, Some(run)) => format!("the `levqor up` that runs here, at {}", run.url),
            (None, None) => "a `levqor up` with this environment; none runs here".to_owned(),
        };
        Ok(Self { whose, env, given, role: None, run })
    }

    /// Reads the settings of a role, if that role is checked.
    pub(super) fn plays<T>(
        &self,
        role: Role,
        problems: &mut Vec<Problem>,
        part: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        let played = self.role.is_none_or(|own| own == role);
        if played { super::read(&self.env, problems, part) } else { None }
    }

    /// A copy without the settings that cannot be read.
    pub(super) fn without(&self, problems: &[Problem]) -> Self {
        let mut without = self.clone();
        for problem in problems {
            without.env.remove(&problem.setting);
        }
        // The files of a certificate are set all or not at all. Without them the other checks still run, over plain TCP.
        let is_wrong = |setting: &Setting| problems.iter().any(|problem| problem.setting == setting.name);
        if MeshTls::settings().iter().any(is_wrong) {
            MeshTls::switch_off(&mut without.env);
        }
        if PublicTls::settings().iter().any(is_wrong) {
            PublicTls::switch_off(&mut without.env);
        }
        without
    }

    /// The address of the gateway. None if there is no gateway to check.
    pub(super) fn url(&self) -> Option<String> {
        if let Some(url) = self.env.get("LEVQOR_URL") {
            return Some(url.trim_end_matches('/').to_owned());
        }
        self.run.as_ref().map(|run| run.url.clone())
    }

    /// The metrics address of the mesh that runs here.
    pub(super) fn metrics(&self) -> Option<String> {
        let shown = self.run.as_ref().map(|run| run.metrics.clone());
        shown.filter(|url| url.starts_with("http"))
    }

    /// Whether a setting is set here, directly or as a file.
    pub(super) fn sets(&self, name: &str) -> bool {
        self.env.get(name).is_some() || self.env.get(&format!("{name}_FILE")).is_some()
    }

    /// A list of secrets, as the services read it.
    pub(super) fn secrets(&self, name: &str) -> anyhow::Result<Vec<String>> {
        state::secrets(&self.env, name)
    }

    /// The database of a service. None if it is not known here.
    pub(super) fn database(&self, config: &dyn AnyConfig) -> Option<DatabaseUrl> {
        let set = config.database_url();
        let of_up = up::database::name_of(config.name());
        let private = self.run.as_ref().and_then(|run| run.postgres.as_deref());
        if self.role.is_some() {
            Some(set.clone())
        } else if self.given.iter().any(|name| name == "LEVQOR_DATABASE_URL") {
            Some(set.with_database(&of_up))
        } else {
            private.map(|folder| up::database::private_database(folder, config.name()))
        }
    }

    /// Whether the service belongs to the checked role.
    pub(super) fn is_checked(&self, service: &str) -> bool {
        self.role.is_none_or(|role| role.name() == service)
    }

    /// The check of the gRPC health of a service.
    pub(super) fn health(&self, channels: &Channels, service: &str) -> Check {
        let setting = mesh::address_setting(service);
        let known = self.role.is_some() || self.run.is_some() || self.given.contains(&setting);
        if known {
            return levqor_runtime::run::check::health(channels, service);
        }
        let off = format!("{setting} is not set, and no `levqor up` runs here");
        let how = format!("start `levqor up`, or set {setting}");
        Check::known(format!("{service}.grpc"), Finding::off(off, how))
    }

    /// Checks that this command has the same settings as the mesh that runs here. Otherwise the doctor would check something
    /// else.
    pub(super) fn same_settings(&self) -> Option<Check> {
        let run = self.run.as_ref()?;
        let counts = |name: &&String| !IRRELEVANT.contains(&name.as_str());
        let only = |these: &[String], those: &[String]| {
            let only = these.iter().filter(counts).filter(|name| !those.contains(name));
            only.cloned().collect::<Vec<_>>().join(", ")
        };
        let (missing, more) = (only(&run.given, &self.given), only(&self.given, &run.given));
        let mut words = Vec::new();
        if !missing.is_empty() {
            words.push(format!("the mesh that runs here was given {missing}, and this command was not"));
        }
        if !more.is_empty() {
            words.push(format!("this command was given {more}, and the mesh that runs here was not"));
        }
        let finding = if words.is_empty() {
            Finding::on("this command and the mesh that runs here were given the same ones")
        } else {
            Finding::failed(words.join("; "))
        };
        Some(Check::known("settings.same", finding))
    }
}

/// Settings that do not affect the checks.
const IRRELEVANT: &[&str] =
    &["LEVQOR_DATA_DIR", "LEVQOR_HTTP_ADDR", "LEVQOR_LOG", "LEVQOR_LOG_FORMAT", "LEVQOR_WORKER_THREADS"];
