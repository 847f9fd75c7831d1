//! How many webhooks are accepted, and how soon, beside the floor.

use std::time::Duration;

use anyhow::Context;

use crate::{
    Limits, floor,
    load::{Doors, Load},
    mesh::{Mesh, megabytes},
};

/// Floor and mesh take turns of this length, in seconds: a machine that gets slower does so for both.
const TURN: usize = 2;

/// The share of the floor that has to be accepted.
const LEAST: f64 = 0.3;
/// From so many connections on.
const MANY: usize = 64;

/// Measures, with workers running.
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
        "| connections | floor/s | floor p50 ms | floor p99 ms | accepted/s | p50 ms | p99 ms | accepted of the floor | p50 of the floor's |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for &connections in connections {
        let mut doors = Doors::open(mesh.gateway(), connections).await?;
        let (mut floors, mut loads) = (Vec::new(), Vec::new());
        let seconds: Vec<_> = (0..span.as_secs()).collect();
        for turn in seconds.chunks(TURN).map(|turn| Duration::from_secs(turn.len() as u64)) {
            floors.push(floor::measure(&mesh.postgres(), connections, turn)?);
            loads.push(doors.webhooks(turn).await?);
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
            limits.below("the floor of what is accepted", 1.0 / ratio, 1.0 / LEAST);
        }
    }
    for (role, kib) in mesh.pss_kib()? {
        println!("PSS after that, {role}: {:.1} MB", megabytes(kib));
    }
    Ok(())
}
