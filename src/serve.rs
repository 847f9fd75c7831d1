//! `levqor serve <role>`: one role as a process of its own; what containers run.

use anyhow::Context;
use levqor_runtime::{
    clock::Clock,
    config::Env,
    metrics::{Exposition, Metrics},
    run, telemetry,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{cli::Role, mesh, services::AnyService};

/// Serves until told to stop, then drains.
pub(crate) async fn serve(env: &Env, role: Role) -> anyhow::Result<()> {
    match role {
        Role::Service(of) => service(env, of).await,
        Role::Gateway => gateway(env).await,
    }
}

async fn service(env: &Env, of: &dyn AnyService) -> anyhow::Result<()> {
    let (telling, mut config) = mesh::read_to_serve(env, of.name(), |reader| of.read(reader)).await?;
    telemetry::run(&telling.telemetry, of.name(), async {
        let port = telling.metrics.bind().await?;
        let metrics = Metrics::telling(&telling.telemetry, of.name());
        metrics.show_process();
        config.count_with(metrics.clone());
        let mut stop = StopSignal::new()?;
        let running = config.start(None).await?;
        let _exposition = port.map(|port| Exposition::start(port, vec![metrics])).transpose()?;
        stop.wait().await;
        running.drain.await;
        Ok(())
    })
    .await
}

async fn gateway(env: &Env) -> anyhow::Result<()> {
    let (telling, (mut config, delay)) = mesh::read_to_serve(env, levqor_gateway::NAME, |reader| {
        levqor_gateway::Config::read(reader).zip(run::drain_delay(reader))
    })
    .await?;
    telemetry::run(&telling.telemetry, levqor_gateway::NAME, async {
        let port = telling.metrics.bind().await?;
        let metrics = Metrics::telling(&telling.telemetry, levqor_gateway::NAME);
        metrics.show_process();
        config.metrics = Some(metrics.clone());
        let mut stop = StopSignal::new()?;
        let running = levqor_gateway::start(config, levqor_gateway::methods(), Clock::default()).await?;
        let _exposition = port.map(|port| Exposition::start(port, vec![metrics])).transpose()?;
        tracing::info!(addr = %running.addr(), "the gateway is serving");
        stop.wait().await;
        running.drain(delay).await;
        tracing::info!("the gateway has stopped");
        Ok(())
    })
    .await
}

/// SIGTERM, Ctrl-C, Ctrl-\, or SIGHUP: the terminal is gone. Made before anything is started: what comes from then on is waited for,
/// and does not kill.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Option<Signal>,
}

impl StopSignal {
    /// Listens from now on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        // Under `nohup` the end of the terminal is to be ignored.
        let hangup = (!ignores_hangup()).then(|| listen(SignalKind::hangup())).transpose()?;
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hangup,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn wait(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored. Asking the kernel for it needs `unsafe`; its text does not.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // A bit per signal, of which the lowest is signal 1.
    ignored.is_some_and(|mask| mask & 1 << (SignalKind::hangup().as_raw_value() - 1) != 0)
}
