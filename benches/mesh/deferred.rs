//! Deferred calls: the delay before one is made, and how fast a backlog of them is processed.

use std::time::{Duration, Instant};

use levqor_runtime::id;

use crate::{
    Limits,
    load::{Client, checkout_completed},
    mesh::Mesh,
    percentiles::Percentiles,
};

/// Measures both.
pub(crate) async fn measure(mesh: &Mesh, limits: &mut Limits) -> anyhow::Result<()> {
    mesh.wait_until_processed().await?;
    pick_up(mesh, limits).await?;
    drain(mesh).await
}

/// From the commit that defers the call to the transaction that the call begins in the other service, one at a time.
async fn pick_up(mesh: &Mesh, limits: &mut Limits) -> anyhow::Result<()> {
    let mut latencies = Vec::new();
    for _ in 0..200 {
        latencies.push(one_order(mesh).await?);
    }
    let latencies = Percentiles::of(latencies);
    println!(
        "deferred calls, idle: from the commit to the receiver's transaction p50 {:.2} ms, p99 {:.2} ms",
        latencies.p50_ms(),
        latencies.p99_ms()
    );
    limits.below("pick-up of a deferred call in ms", latencies.p50_ms(), 5.0);
    Ok(())
}

/// How fast a backlog of deferred calls is delivered and settled.
async fn drain(mesh: &Mesh) -> anyhow::Result<()> {
    const CALLS: i64 = 20_000;
    mesh.wait_until_mailed().await?;
    let before = mesh.effects().await?;
    mesh.defer(CALLS).await?;
    let begun = Instant::now();
    mesh.wait_until_settled().await?;
    let settled = begun.elapsed();
    mesh.wait_until_mailed().await?;
    let mailed = begun.elapsed();
    let mails = mesh.effects().await?.mails - before.mails;
    anyhow::ensure!(mails == CALLS, "{mails} mails resulted from {CALLS} calls");
    println!(
        "deferred calls drained: {:.0}/s ({CALLS} SendMessage, each stored by the receiver), {:.0} mails/s (each deferred by one of them)",
        CALLS as f64 / settled.as_secs_f64(),
        CALLS as f64 / mailed.as_secs_f64(),
    );
    Ok(())
}

/// Posts a paid checkout, and returns how long its first mail took from one service's table to the other's.
async fn one_order(mesh: &Mesh) -> anyhow::Result<Duration> {
    let name = id::request_id();
    let (status, _) = Client::open(mesh.gateway(), 0).await?.post(&checkout_completed(&name)).await?;
    anyhow::ensure!(status == 200, "the order's event was not accepted");
    mesh.mail_delay(&format!("cs_{name}")).await
}
