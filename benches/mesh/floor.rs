//! The floor: pgbench inserts and commits one 1.2 kB row per transaction on the same server.

use std::{io::Write, path::PathBuf, process::Command, time::Duration};

use anyhow::Context;

/// What pgbench reports.
pub(crate) struct Floor {
    /// Transactions per second.
    pub(crate) per_second: f64,
    /// The median latency, from its log.
    pub(crate) p50_ms: f64,
}

/// Measures it.
pub(crate) fn measure(url: &str, connections: usize, span: Duration) -> anyhow::Result<Floor> {
    let folder = std::env::temp_dir().join(format!("levqor-floor-{}-{connections}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let script = folder.join("insert.sql");
    std::fs::File::create(&script)?.write_all(b"INSERT INTO floor (body) VALUES (repeat('x', 1200));\n")?;
    let output = Command::new(pgbench()?)
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections.to_string()])
        .args(["-T", &span.as_secs().to_string(), "-l", "--log-prefix", "floor", "-f"])
        .arg(&script)
        .arg(url)
        .current_dir(&folder)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    let per_second =
        tps.with_context(|| format!("pgbench: {text} {}", String::from_utf8_lossy(&output.stderr)))?;
    let mut latencies_us = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            let log = std::fs::read_to_string(path)?;
            latencies_us.extend(log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
        }
    }
    std::fs::remove_dir_all(folder)?;
    latencies_us.sort_by(f64::total_cmp);
    let p50_ms = latencies_us.get(latencies_us.len() / 2).copied().unwrap_or(f64::NAN) / 1000.0;
    Ok(Floor { per_second, p50_ms })
}

fn pgbench() -> anyhow::Result<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/pgbench")))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().context("pgbench is not installed")
}
