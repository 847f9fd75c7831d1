//! The same load on a small journal and on a large one, alternately. Takes some 20 GB and a quarter of an hour.

use std::{path::Path, time::Duration};

use crate::{
    load::{Clients, Load},
    mesh::Mesh,
    percentiles::{median, sorted},
    roles::THIS_BUILD,
};

/// Events in the small journal. It is filled again up to this number before each round.
const SMALL: i64 = 10_000;
/// Events in the large journal before the first round. It only grows.
const LARGE: i64 = 5_000_000;
const ROUNDS: usize = 8;

/// Measures, and prints the medians over all rounds, because the p99 of one round varies too much.
pub(crate) async fn measure(mesh: &Mesh, connections: &[usize], span: Duration) -> anyhow::Result<()> {
    println!("medians of {ROUNDS} spans of {} s, taking turns:", span.as_secs());
    println!("| journaled events | connections | accepted/s | p50 ms | p99 ms | p99 of each span |");
    println!("|---|---|---|---|---|---|");
    let large = mesh.beside(Path::new(THIS_BUILD)).await?;
    large.fill(LARGE).await?;
    for &connections in connections {
        let gateways = [mesh.gateway(), large.gateway()];
        let mut loads = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            mesh.empty().await?;
            mesh.fill(SMALL).await?;
            let mut order = [0, 1];
            order.rotate_left(round % 2);
            for which in order {
                let mut clients = Clients::open(gateways[which], connections).await?;
                loads[which].push(clients.webhooks(span).await?);
            }
        }
        for (rows, loads) in [SMALL, LARGE].into_iter().zip(&loads) {
            println!(
                "| {rows} | {connections} | {:.0} | {:.2} | {:.2} | {:.2?} |",
                median(loads, Load::per_second),
                median(loads, |load| load.latency.p50_ms()),
                median(loads, |load| load.latency.p99_ms()),
                sorted(loads, |load| load.latency.p99_ms()),
            );
            anyhow::ensure!(loads.iter().all(|load| load.refused == 0), "not all were accepted");
        }
    }
    Ok(())
}
