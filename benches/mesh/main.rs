//! `cargo bench`: measures the speed of the mesh, as a ratio to PostgreSQL's own speed in the same run.
//!
//! Each role is a release process of its own, built with the Cargo features that the tests use. PostgreSQL runs with fsync. The
//! load runs on the same machine.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "counts are small beside what a float holds")]

mod beside;
mod deferred;
mod floor;
mod grown;
mod handled;
mod idle;
mod load;
mod mesh;
mod percentiles;
#[path = "../../tests/roles.rs"]
mod roles;
mod server;
mod traced;
mod webhooks;

use std::{path::PathBuf, time::Duration};

use mesh::Mesh;

/// How long each figure is measured, unless the command line says otherwise.
const SPAN: Duration = Duration::from_secs(12);

fn main() -> anyhow::Result<()> {
    let chosen = Chosen::from(std::env::args().skip(1).filter(|word| !word.starts_with('-')))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&chosen))
}

/// What can be measured.
enum Measure {
    Idle,
    Webhooks,
    Deferred,
    Grown,
    Handled,
    Traced,
    /// This build and the build at this path, alternately.
    Beside(PathBuf),
}

/// The arguments: the figures to measure, numbers of connections, and the duration of each measurement, such as `2s`.
struct Chosen {
    /// Whether the command line names nothing.
    is_whole: bool,
    measures: Vec<Measure>,
    connections: Vec<usize>,
    span: Duration,
}

impl Chosen {
    /// Numbers alone mean webhooks with these numbers of connections. No word at all means the whole run, which takes minutes.
    fn from(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut chosen = Self { is_whole: true, measures: Vec::new(), connections: Vec::new(), span: SPAN };
        for word in words {
            chosen.is_whole = false;
            let seconds = word.strip_suffix('s').and_then(|number| number.parse().ok());
            match (word.as_str(), word.parse(), seconds) {
                (_, Ok(connections), _) => chosen.connections.push(connections),
                (.., Some(seconds)) => chosen.span = Duration::from_secs(seconds),
                ("idle", ..) => chosen.measures.push(Measure::Idle),
                ("deferred", ..) => chosen.measures.push(Measure::Deferred),
                ("grown", ..) => chosen.measures.push(Measure::Grown),
                ("handled", ..) => chosen.measures.push(Measure::Handled),
                ("traced", ..) => chosen.measures.push(Measure::Traced),
                (path, ..) if path.contains('/') => chosen.measures.push(Measure::Beside(path.into())),
                _ => anyhow::bail!("{word} is not a measurement: see docs/PERFORMANCE.md"),
            }
        }
        if chosen.measures.is_empty() {
            chosen.measures = match chosen.connections.as_slice() {
                [] => vec![Measure::Idle, Measure::Webhooks, Measure::Deferred, Measure::Handled],
                _ => vec![Measure::Webhooks],
            };
        }
        Ok(chosen)
    }

    /// The numbers of connections that were named, or else these.
    fn connections(&self, otherwise: &[usize]) -> Vec<usize> {
        if self.connections.is_empty() { otherwise.to_vec() } else { self.connections.clone() }
    }
}

/// The figures that are not below their limits, a sentence about each.
#[derive(Default)]
struct Limits(Vec<String>);

impl Limits {
    /// Notes a figure that is not below its limit.
    fn below(&mut self, what: &str, measured: f64, limit: f64) {
        if measured >= limit {
            self.0.push(format!("{what} is {measured:.2}, and not below {limit}"));
        }
    }
}

async fn run(chosen: &Chosen) -> anyhow::Result<()> {
    let mesh = Mesh::start().await?;
    let (span, mut limits) = (chosen.span, Limits::default());
    for measure in &chosen.measures {
        match measure {
            Measure::Idle => idle::measure(&mesh, &mut limits).await?,
            Measure::Webhooks => {
                webhooks::measure(&mesh, &chosen.connections(&[1, 16, 64]), span, &mut limits).await?;
            }
            Measure::Deferred => deferred::measure(&mesh, &mut limits).await?,
            Measure::Grown => grown::measure(&mesh, &chosen.connections(&[16, 64]), span).await?,
            // The load is shorter here, because the orders and mails that follow take much longer than the load itself.
            Measure::Handled => {
                let span = Duration::from_secs((span.as_secs() / 4).max(1));
                handled::measure(&mesh, &chosen.connections(&[1, 16, 64]), span).await?;
            }
            Measure::Traced => traced::measure(&mesh, &chosen.connections(&[16, 64]), span).await?,
            Measure::Beside(binary) => beside::measure(&mesh, binary).await?,
        }
    }
    // Only a whole run must keep the limits.
    anyhow::ensure!(limits.0.is_empty() || !chosen.is_whole, "not below its limit: {}", limits.0.join(", "));
    Ok(())
}
