//! What telling costs: the same load with nothing told, with metrics and the log, with a tenth of the traces and with all
//! of them, and with all of them to a receiver that never answers, taking turns. The receiver shares the machine, and
//! reads what it is sent.

use std::time::Duration;

use levqor_runtime::testing::recorder::{Mood, Recorder};

use crate::{load::Doors, mesh::Mesh, percentiles::median};

const ROUNDS: usize = 5;

/// What is told, the settings that make it so beside the receiver's address, and how that takes it. Nothing is told where
/// there are no settings.
type Telling = (&'static str, &'static [(&'static str, &'static str)], Mood);

const TOLD: [Telling; 5] = [
    ("nothing", &[], Mood::Forgetting),
    (
        "metrics every second, the log from info on, no traces",
        &[("OTEL_TRACES_SAMPLER_ARG", "0"), ("OTEL_METRIC_EXPORT_INTERVAL", "1000"), ("LEVQOR_LOG", "info")],
        Mood::Forgetting,
    ),
    ("10 % of the traces", &[("OTEL_TRACES_SAMPLER_ARG", "0.1")], Mood::Forgetting),
    ("all traces", &[("OTEL_TRACES_SAMPLER_ARG", "1")], Mood::Forgetting),
    (
        "all traces, to one who never answers",
        &[("OTEL_TRACES_SAMPLER_ARG", "1"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")],
        Mood::Silent,
    ),
];

/// One round of one of them.
struct Figure {
    per_second: f64,
    p99_ms: f64,
    spans_per_event: f64,
}

/// Measures, and prints medians.
pub(crate) async fn measure(mesh: &Mesh, connections: &[usize], span: Duration) -> anyhow::Result<()> {
    println!("medians of {ROUNDS} spans of {} s, taking turns:", span.as_secs_f64());
    println!("| connections | told | accepted/s | of nothing told | p99 ms | spans taken per event |");
    println!("|---|---|---|---|---|---|");
    for &connections in connections {
        let mut figures: [Vec<Figure>; TOLD.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (telling, figures) in TOLD.iter().zip(&mut figures) {
                figures.push(round(mesh, telling, connections, span).await?);
            }
        }
        let nothing = median(&figures[0], |figure| figure.per_second);
        for ((what, ..), figures) in TOLD.iter().zip(&figures) {
            let per_second = median(figures, |figure| figure.per_second);
            println!(
                "| {connections} | {what} | {per_second:.0} | {:.2} | {:.2} | {:.2} |",
                per_second / nothing,
                median(figures, |figure| figure.p99_ms),
                median(figures, |figure| figure.spans_per_event),
            );
        }
    }
    Ok(())
}

async fn round(
    mesh: &Mesh,
    (_, settings, mood): &Telling,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Figure> {
    let recorder = Recorder::start();
    recorder.set_mood(*mood);
    let endpoint = recorder.endpoint();
    let mut settings = settings.to_vec();
    if !settings.is_empty() {
        settings.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    }
    mesh.restart_with(&settings).await?;
    let load = Doors::open(mesh.gateway(), connections).await?.webhooks(span).await?;
    anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
    mesh.wait_until_processed().await?;
    recorder.set_mood(Mood::Forgetting);
    // What is queued is sent on the way out.
    mesh.restart().await?;
    let events = load.latency.count() as f64;
    Ok(Figure {
        per_second: load.per_second(),
        p99_ms: load.latency.p99_ms(),
        spans_per_event: recorder.spans() as f64 / events,
    })
}
