//! `levqor serve <role>`: runs one role as its own process, for containers.

use anyhow::Context;
use levqor_runtime::{clock::Clock, config::Env, exposition::Exposition, metrics::Metrics, run, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{cli::Role, mesh, services::AnyService};

/// Serves until a stop signal, then drains.
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

/// The stop signals: SIGTERM, Ctrl-C, Ctrl-\, and SIGHUP (the terminal is gone). Create it before anything starts: from then on a
/// signal is handled and does not kill the process.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Option<Signal>,
}

impl StopSignal {
    /// Starts to listen for the signals.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        // Under `nohup` the process must ignore the end of the terminal.
        let hangup = (!ignores_hangup()).then(|| listen(SignalKind::hangup())).transpose()?;
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hangup,
        })
    }

    /// Waits for the next signal.
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

/// Whether this process was started with SIGHUP ignored. The system call needs `unsafe`, so this reads the kernel's text file.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The mask has one bit for each signal. The lowest bit is signal 1.
    ignored.is_some_and(|mask| mask & 1 << (SignalKind::hangup().as_raw_value() - 1) != 0)
}
