//! The cost of telemetry. The variants take turns with the same load: no telemetry; metrics and the log; 10 % of the traces; all
//! traces; all traces to a receiver that never answers. The receiver runs on the same machine, and decodes what it receives.

use std::time::Duration;

use levqor_runtime::testing::recorder::{Behaviour, Recorder};

use crate::{load::Clients, mesh::Mesh, percentiles::median};

const ROUNDS: usize = 5;

/// A variant: its name, its settings besides the receiver's address, and the receiver's behaviour. Without settings there is no
/// telemetry.
type Variant = (&'static str, &'static [(&'static str, &'static str)], Behaviour);

const VARIANTS: [Variant; 5] = [
    ("no telemetry", &[], Behaviour::Forgetting),
    (
        "metrics every second, the log from info on, no traces",
        &[("OTEL_TRACES_SAMPLER_ARG", "0"), ("OTEL_METRIC_EXPORT_INTERVAL", "1000"), ("LEVQOR_LOG", "info")],
        Behaviour::Forgetting,
    ),
    ("10 % of the traces", &[("OTEL_TRACES_SAMPLER_ARG", "0.1")], Behaviour::Forgetting),
    ("all traces", &[("OTEL_TRACES_SAMPLER_ARG", "1")], Behaviour::Forgetting),
    (
        "all traces, to a receiver that never answers",
        &[("OTEL_TRACES_SAMPLER_ARG", "1"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")],
        Behaviour::Silent,
    ),
];

/// The figures of one variant in one round.
struct Figure {
    per_second: f64,
    p99_ms: f64,
    spans_per_event: f64,
}

/// Measures, and prints medians.
pub(crate) async fn measure(mesh: &Mesh, connections: &[usize], span: Duration) -> anyhow::Result<()> {
    println!("medians of {ROUNDS} spans of {} s, taking turns:", span.as_secs_f64());
    println!(
        "| connections | telemetry | accepted/s | of no telemetry | p99 ms | spans received per event |"
    );
    println!("|---|---|---|---|---|---|");
    for &connections in connections {
        let mut figures: [Vec<Figure>; VARIANTS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (variant, figures) in VARIANTS.iter().zip(&mut figures) {
                figures.push(round(mesh, variant, connections, span).await?);
            }
        }
        let nothing = median(&figures[0], |figure| figure.per_second);
        for ((what, ..), figures) in VARIANTS.iter().zip(&figures) {
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
    (_, settings, behaviour): &Variant,
    connections: usize,
    span: Duration,
) -> anyhow::Result<Figure> {
    let recorder = Recorder::start();
    recorder.set_behaviour(*behaviour);
    let endpoint = recorder.endpoint();
    let mut settings = settings.to_vec();
    if !settings.is_empty() {
        settings.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    }
    mesh.restart_with(&settings).await?;
    let load = Clients::open(mesh.gateway(), connections).await?.webhooks(span).await?;
    anyhow::ensure!(load.refused == 0, "{} were not accepted", load.refused);
    mesh.wait_until_processed().await?;
    recorder.set_behaviour(Behaviour::Forgetting);
    // A process sends its queued telemetry before it ends.
    mesh.restart().await?;
    let events = load.latency.count() as f64;
    Ok(Figure {
        per_second: load.per_second(),
        p99_ms: load.latency.p99_ms(),
        spans_per_event: recorder.spans() as f64 / events,
    })
}
