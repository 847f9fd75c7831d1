//! How fast the mesh is, as ratios to what PostgreSQL itself can do in the same run: `cargo bench`.
//!
//! All roles are release processes of their own, PostgreSQL syncs, and the load shares the machine with them.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "counts are small beside what a float holds")]

mod floor;
mod heeded;
mod load;
mod mesh;
mod percentiles;
#[path = "../../tests/roles.rs"]
mod roles;
mod traced;

use std::time::{Duration, Instant};

use mesh::Mesh;
use percentiles::Percentiles;

/// How long each figure is measured, where the command line does not say.
const SPAN: Duration = Duration::from_secs(6);
const CONNECTIONS: [usize; 3] = [1, 16, 64];

fn main() -> anyhow::Result<()> {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let named = |word: &str| words.iter().any(|it| it == word);
    let connections: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let seconds = words.iter().find_map(|word| word.strip_suffix('s')?.parse().ok());
    let alone = words.iter().find_map(|word| match word.as_str() {
        "grown" => Some(Alone::Grown),
        "heeded" => Some(Alone::Heeded),
        "traced" => Some(Alone::Traced),
        _ => None,
    });
    let all = connections.is_empty() && !named("deferred") && alone.is_none();
    let chosen = Chosen {
        deferred: all || named("deferred"),
        alone,
        connections: if all { CONNECTIONS.to_vec() } else { connections },
        span: seconds.map_or(SPAN, Duration::from_secs),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&chosen))
}

/// What the command line names: numbers of connections for the webhooks, `deferred`, `grown`, `heeded`, `traced`, and a span,
/// `2s`, for each figure. Nothing means all but `grown`, which takes some 20 GB and a quarter of an hour, `heeded` and
/// `traced`.
struct Chosen {
    connections: Vec<usize>,
    deferred: bool,
    alone: Option<Alone>,
    span: Duration,
}

/// What is measured alone.
enum Alone {
    Grown,
    Heeded,
    Traced,
}

async fn run(chosen: &Chosen) -> anyhow::Result<()> {
    let mesh = Mesh::start().await?;
    match chosen.alone {
        Some(Alone::Grown) => return grown(&mesh, chosen.span).await,
        Some(Alone::Heeded) => return heeded::measure(&mesh, &chosen.connections, chosen.span).await,
        Some(Alone::Traced) => return traced::measure(&mesh, &chosen.connections, chosen.span).await,
        None => {}
    }
    println!("start to ready, existing databases: {:.2} s", mesh.restart().await?.as_secs_f64());
    for (role, kib) in mesh.pss_kib()? {
        println!("PSS idle, {role}: {:.1} MB", kib as f64 / 1024.0);
    }
    println!(
        "\nwebhooks accepted (only 200s), workers running, beside pgbench inserting one 1.2 kB row per transaction:"
    );
    println!(
        "| connections | floor/s | floor p50 ms | accepted/s | p50 ms | p99 ms | of the floor | journal drained/s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for connections in chosen.connections.iter().copied() {
        let floor = floor::measure(mesh.postgres(), connections, chosen.span)?;
        let before = mesh.processed().await?;
        let load = load::webhooks(mesh.gateway(), connections, chosen.span).await?;
        let drained = (mesh.processed().await? - before) as f64 / chosen.span.as_secs_f64();
        println!(
            "| {connections} | {:.0} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {drained:.0} |",
            floor.per_second,
            floor.p50_ms,
            load.per_second,
            load.latency.p50_ms(),
            load.latency.p99_ms(),
            load.per_second / floor.per_second,
        );
        anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
    }
    if !chosen.deferred {
        return Ok(());
    }
    let begun = Instant::now();
    let waiting = mesh.pending().await?;
    mesh.wait_until_processed().await?;
    println!("\nthe rest of the journal, {waiting} events: {:.1} s", begun.elapsed().as_secs_f64());
    pick_up(&mesh).await?;
    drain(&mesh).await
}

/// The same load on a small journal and on a large one: the medians of several spans each, since the tail of one is noise.
async fn grown(mesh: &Mesh, span: Duration) -> anyhow::Result<()> {
    const ROWS: [i64; 2] = [10_000, 5_000_000];
    const SPANS: usize = 7;
    println!("| journaled events | connections | accepted/s | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|");
    for rows in ROWS {
        mesh.fill(rows).await?;
        for connections in [16, 64] {
            let mut loads = Vec::new();
            for _ in 0..SPANS {
                loads.push(load::webhooks(mesh.gateway(), connections, span).await?);
            }
            let median = |figure: fn(&load::Load) -> f64| {
                let mut figures: Vec<_> = loads.iter().map(figure).collect();
                figures.sort_by(f64::total_cmp);
                figures[SPANS / 2]
            };
            println!(
                "| {rows} | {connections} | {:.0} | {:.2} | {:.2} |",
                median(|load| load.per_second),
                median(|load| load.latency.p50_ms()),
                median(|load| load.latency.p99_ms()),
            );
        }
    }
    Ok(())
}

/// From the order's transaction to the message's row in the other service, one at a time.
async fn pick_up(mesh: &Mesh) -> anyhow::Result<()> {
    let mut latencies = Vec::new();
    for _ in 0..200 {
        latencies.push(load::one_order(mesh).await?);
    }
    let latencies = Percentiles::of(latencies);
    println!(
        "deferred calls, idle: pick-up and delivery p50 {:.2} ms, p99 {:.2} ms",
        latencies.p50_ms(),
        latencies.p99_ms()
    );
    Ok(())
}

/// How fast a heap of deferred calls is delivered and settled.
async fn drain(mesh: &Mesh) -> anyhow::Result<()> {
    const CALLS: i64 = 20_000;
    let took = mesh.drain(CALLS).await?;
    println!(
        "deferred calls drained: {:.0}/s ({CALLS} SendMessage, each stored by the receiver)",
        CALLS as f64 / took.as_secs_f64()
    );
    Ok(())
}
