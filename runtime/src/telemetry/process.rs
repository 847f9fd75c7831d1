//! The metrics of the process: CPU, memory, open files, start time, async runtime, and its telemetry.

use std::fs;

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeVal,
};
use opentelemetry::KeyValue;
use tokio::runtime::Handle;

use super::{TelemetryConfig, export, exports, resource::resource};
use crate::{
    clock::Clock,
    metrics::{Metrics, chassis},
};

impl Metrics {
    /// The metrics of this service. They are also exported over OTLP where that is on.
    #[must_use]
    pub fn telling(config: &TelemetryConfig, service: &str) -> Self {
        let metrics = Self::of(resource(config, service));
        export(&metrics);
        metrics
    }

    /// Shows the process among these metrics. With several services in one process, call it for one of them only.
    #[expect(clippy::cast_precision_loss, reason = "bytes, files and tasks of a process are far below 2^53")]
    pub fn show_process(&self) {
        self.gauge(&chassis::PROCESS_CPU, |observe| {
            // Every number here is absent where the system does not provide it.
            let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
            observe(seconds(usage.user_time()), &[KeyValue::new("cpu.mode", "user")]);
            observe(seconds(usage.system_time()), &[KeyValue::new("cpu.mode", "system")]);
        });
        self.gauge(&chassis::TELEMETRY_EXPORTS, |observe| {
            for (signal, counts) in exports() {
                for (outcome, count) in [("taken", counts.taken), ("lost", counts.lost)] {
                    let attributes = [KeyValue::new("signal", signal), KeyValue::new("outcome", outcome)];
                    observe(count as f64, &attributes);
                }
            }
        });
        self.gauge(&chassis::TELEMETRY_LOST, |observe| {
            for (signal, counts) in exports() {
                observe(counts.items_lost as f64, &[KeyValue::new("signal", signal)]);
            }
        });
        self.gauge(&chassis::PROCESS_MEMORY, |observe| {
            if let Some(kilobytes) = resident_kilobytes() {
                observe(kilobytes * 1024.0, &[]);
            }
        });
        self.gauge(&chassis::PROCESS_FILES, |observe| {
            if let Ok(files) = fs::read_dir("/proc/self/fd") {
                // Reading the folder opens it, so it is not counted.
                observe(files.count().saturating_sub(1) as f64, &[]);
            }
        });
        self.gauge(&chassis::PROCESS_FILES_MAX, |observe| {
            if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
                observe(soft as f64, &[]);
            }
        });
        let began = Clock::default().now().timestamp_millis() as f64 / 1000.0;
        self.gauge(&chassis::PROCESS_START, move |observe| observe(began, &[]));
        if let Ok(runtime) = Handle::try_current() {
            let queue = runtime.metrics();
            let tasks = runtime.metrics();
            self.gauge(&chassis::RUNTIME_TASKS, move |observe| observe(tasks.num_alive_tasks() as f64, &[]));
            self.gauge(&chassis::RUNTIME_QUEUE, move |observe| {
                observe(queue.global_queue_depth() as f64, &[]);
            });
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process runs for 2^53 seconds")]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

fn resident_kilobytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
