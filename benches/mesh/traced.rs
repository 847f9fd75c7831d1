//! What tracing costs: the same load without it, with a tenth of the traces and with all of them, taking turns. The
//! receiver shares the machine, and reads what it is sent.

use levqor_runtime::testing::recorder::{Mood, Recorder};

use crate::{SPAN, load, mesh::Mesh};

const ROUNDS: usize = 5;
const CONNECTIONS: [usize; 2] = [16, 64];
const SHARES: [Option<&str>; 3] = [None, Some("0.1"), Some("1")];

/// One round of one share.
struct Figure {
    per_second: f64,
    p99_ms: f64,
    spans_per_event: f64,
}

/// Measures, and prints medians.
pub(super) async fn measure(mesh: &Mesh) -> anyhow::Result<()> {
    println!(
        "| connections | traces recorded | accepted/s | of without | p99 ms | spans exported per event |"
    );
    println!("|---|---|---|---|---|---|");
    for connections in CONNECTIONS {
        let mut figures: [Vec<Figure>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for (share, figures) in SHARES.iter().zip(&mut figures) {
                figures.push(round(mesh, *share, connections).await?);
            }
        }
        let without = median(figures[0].iter().map(|figure| figure.per_second));
        for (share, figures) in SHARES.iter().zip(&figures) {
            let per_second = median(figures.iter().map(|figure| figure.per_second));
            println!(
                "| {connections} | {} | {per_second:.0} | {:.2} | {:.2} | {:.2} |",
                share.unwrap_or("none"),
                per_second / without,
                median(figures.iter().map(|figure| figure.p99_ms)),
                median(figures.iter().map(|figure| figure.spans_per_event)),
            );
        }
    }
    Ok(())
}

async fn round(mesh: &Mesh, share: Option<&str>, connections: usize) -> anyhow::Result<Figure> {
    let recorder = Recorder::start();
    recorder.set_mood(Mood::Forgetting);
    let endpoint = recorder.endpoint();
    let settings: Vec<_> = share
        .iter()
        .flat_map(|share| [("OTEL_TRACES_SAMPLER_ARG", *share), ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)])
        .collect();
    mesh.restart_with(&settings).await?;
    let load = load::webhooks(mesh.gateway(), connections, SPAN).await?;
    anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
    mesh.wait_until_processed().await?;
    // What is queued is sent on the way out.
    mesh.restart().await?;
    let events = load.per_second * SPAN.as_secs_f64();
    Ok(Figure {
        per_second: load.per_second,
        p99_ms: load.latency.p99_ms(),
        spans_per_event: recorder.spans() as f64 / events,
    })
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
