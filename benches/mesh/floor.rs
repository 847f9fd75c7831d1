//! The floor: pgbench inserts and commits one 1.2 kB row per transaction on the same server.

use std::{io::Write, path::PathBuf, process::Command, time::Duration};

use anyhow::Context;

use crate::{load::Load, percentiles::Percentiles};

/// What one transaction does, to the table `floor` of the database `postgres`.
pub(crate) const INSERT: &str = "INSERT INTO floor (body) VALUES (repeat('x', 1200))";

/// Runs pgbench. Returns the transactions per second that it reports, and the latencies in its log.
pub(crate) fn measure(url: &str, connections: usize, span: Duration) -> anyhow::Result<Load> {
    let folder = std::env::temp_dir().join(format!("levqor-floor-{}-{connections}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let script = folder.join("insert.sql");
    writeln!(std::fs::File::create(&script)?, "{INSERT};")?;
    let output = Command::new(pgbench()?)
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections.to_string()])
        .args(["-T", &span.as_secs().to_string(), "-l", "--log-prefix", "floor", "-f"])
        .arg(&script)
        .arg(url)
        .current_dir(&folder)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    let per_second: f64 =
        tps.with_context(|| format!("pgbench: {text} {}", String::from_utf8_lossy(&output.stderr)))?;
    let mut latencies = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            let log = std::fs::read_to_string(path)?;
            let microseconds = log.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            latencies.extend(microseconds.map(Duration::from_micros));
        }
    }
    std::fs::remove_dir_all(folder)?;
    // The time without the part in which pgbench connects.
    let span = Duration::from_secs_f64(latencies.len() as f64 / per_second);
    Ok(Load { latency: Percentiles::of(latencies), refused: 0, span })
}

fn pgbench() -> anyhow::Result<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/pgbench")))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().context("pgbench is not installed")
}
