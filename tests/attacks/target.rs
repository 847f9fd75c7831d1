//! The target of the attacks: a gateway and billing, each a process of its own.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use levqor_billing::Billing;
use levqor_runtime::{
    db::DatabaseUrl,
    testing::{
        self, eventually,
        process::{Process, free_port},
    },
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    roles::{self, Role, THIS_BUILD},
    stripe::SECRET,
};

/// One attack at a time, because the machine is too small for several.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A mesh that is attacked.
pub(crate) struct Target {
    /// Where the gateway listens.
    pub(crate) gateway: SocketAddr,
    /// Where billing listens.
    pub(crate) billing: SocketAddr,
    /// Where the gateway's metrics are.
    pub(crate) metrics: SocketAddr,
    processes: [Process; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Target {
    /// Starts it, and waits until it works.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these settings for the gateway.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_as(Path::new(THIS_BUILD), settings).await
    }

    /// Starts it with a gateway that may have this many files open.
    pub(crate) async fn start_with_files(files: u32) -> Self {
        let script = Script::new(files);
        Self::start_as(&script.0, &[]).await
    }

    async fn start_as(gateway_build: &Path, settings: &[(&str, &str)]) -> Self {
        let alone = ALONE.lock().await;
        levqor_runtime::port::raise_open_files();
        let database = testing::database::<Billing>().await;
        let [gateway, billing, metrics] = [(); 3].map(|()| free_port());
        let [notifications, support, compliance] = [(); 3].map(|()| free_port());
        let peers = [billing, notifications, support, compliance].map(|address| address.to_string());
        let peers = peers.each_ref().map(String::as_str);
        let start = |mut command: Command| {
            command.env("STRIPE_WEBHOOK_SECRET", SECRET).env("LEVQOR_DATABASE_CONNECTIONS", "8");
            Process::start(command)
        };
        let service = start(roles::serve(THIS_BUILD, Role::Billing, billing, &url(&database), peers));
        let mut door = roles::serve(gateway_build, Role::Gateway, gateway, "", peers);
        door.env("LEVQOR_METRICS_ADDR", metrics.to_string()).envs(settings.iter().copied());
        let target = Self { gateway, billing, metrics, processes: [service, start(door)], _alone: alone };
        let ready = || async {
            let health = crate::faults::health(gateway).await?;
            (health.json["services"]["billing"]["ready"] == true).then_some(())
        };
        eventually("billing is ready", ready).await;
        target
    }

    /// The memory of billing and of the gateway, in bytes.
    pub(crate) fn memory(&self) -> [u64; 2] {
        self.processes.each_ref().map(|process| {
            let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
            let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
            kilobytes * 1024
        })
    }
}

fn url(database: &DatabaseUrl) -> String {
    let options = database.options();
    let (name, folder) = (options.get_database().expect("a name"), options.get_socket().expect("a socket"));
    format!("postgres://levqor@localhost/{name}?host={}", folder.display())
}

/// Starts the binary with fewer files.
struct Script(PathBuf);

impl Script {
    fn new(files: u32) -> Self {
        let path = std::env::temp_dir().join(format!("levqor-files-{}", levqor_runtime::id::request_id()));
        fs::write(&path, format!("#!/bin/sh\nulimit -n {files}\nexec {THIS_BUILD} \"$@\"\n"))
            .expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("executable");
        Self(path)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
