//! How many webhooks per second are accepted, and how fast each is, compared with the floor: the rate at which PostgreSQL alone
//! commits one row per transaction (`floor.rs`).

use std::time::Duration;

use anyhow::Context;

use crate::{
    Limits, floor,
    load::{Clients, Load},
    mesh::{Mesh, megabytes},
};

/// The floor and the mesh are measured alternately, for this number of seconds each, so that a machine that gets slower affects
/// both.
const TURN: usize = 2;

/// The lowest allowed ratio of the accepted webhooks to the floor.
const LEAST: f64 = 0.3;
/// The number of connections from which this limit applies.
const MANY: usize = 64;

/// Measures while the workers of the journal process the events.
pub(crate) async fn measure(
    mesh: &Mesh,
    connections: &[usize],
    span: Duration,
    limits: &mut Limits,
) -> anyhow::Result<()> {
    println!(
        "\nwebhooks accepted (only 200s), workers running; in turn with it pgbench, one 1.2 kB row per transaction:"
    );
    println!(
        "| connections | floor/s | floor p50 ms | floor p99 ms | accepted/s | p50 ms | p99 ms | accepted / floor | p50 / floor p50 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for &connections in connections {
        let mut clients = Clients::open(mesh.gateway(), connections).await?;
        let (mut floors, mut loads) = (Vec::new(), Vec::new());
        let seconds: Vec<_> = (0..span.as_secs()).collect();
        for turn in seconds.chunks(TURN).map(|turn| Duration::from_secs(turn.len() as u64)) {
            floors.push(floor::measure(&mesh.postgres(), connections, turn)?);
            loads.push(clients.webhooks(turn).await?);
        }
        let both = floors.into_iter().reduce(Load::and).zip(loads.into_iter().reduce(Load::and));
        let (floor, load) = both.context("a span is a second at least")?;
        let ratio = load.per_second() / floor.per_second();
        println!(
            "| {connections} | {:.0} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
            floor.per_second(),
            floor.latency.p50_ms(),
            floor.latency.p99_ms(),
            load.per_second(),
            load.latency.p50_ms(),
            load.latency.p99_ms(),
            ratio,
            load.latency.p50_ms() / floor.latency.p50_ms(),
        );
        anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
        if connections >= MANY {
            limits.below("the ratio of the floor to the accepted webhooks", 1.0 / ratio, 1.0 / LEAST);
        }
    }
    if let Some(&connections) = connections.last() {
        let load = Clients::open(mesh.gateway(), connections).await?.webhooks_with_effect(span).await?;
        anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
        println!(
            "of a type with an effect (`customer.updated`), {connections} connections: {:.0} accepted/s, p50 {:.2} ms, p99 {:.2} ms",
            load.per_second(),
            load.latency.p50_ms(),
            load.latency.p99_ms(),
        );
    }
    for (role, kib) in mesh.pss_kib()? {
        println!("PSS after that, {role}: {:.1} MB", megabytes(kib));
    }
    Ok(())
}
