//! `levqor serve <role>`: one role as a process of its own; what containers run.

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    access,
    clock::Clock,
    config::Env,
    run::{self, ServiceConfig},
    service::Service,
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{cli::Role, mesh};

/// Serves until told to stop, then drains.
pub(crate) async fn serve(env: &Env, role: Role) -> anyhow::Result<()> {
    match role {
        Role::Billing => service::<Billing>(env).await,
        Role::Notifications => service::<Notifications>(env).await,
        Role::Gateway => gateway(env).await,
    }
}

async fn service<S: Service>(env: &Env) -> anyhow::Result<()> {
    let (telemetry, config) = mesh::read(env, ServiceConfig::<S>::read)?;
    let _guard = telemetry::init(&telemetry);
    let running = run::start(config).await?;
    stop_signal().await?;
    running.drain().await;
    Ok(())
}

async fn gateway(env: &Env) -> anyhow::Result<()> {
    let (telemetry, (config, delay)) =
        mesh::read(env, |reader| levqor_gateway::Config::read(reader).zip(run::drain_delay(reader)))?;
    let _guard = telemetry::init(&telemetry);
    let running = levqor_gateway::start(config, access::methods(), Clock::default()).await?;
    tracing::info!(addr = %running.addr(), "the gateway is serving");
    stop_signal().await?;
    running.drain(delay).await;
    tracing::info!("the gateway has stopped");
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
