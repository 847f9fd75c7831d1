//! Checks that the metrics are served where Prometheus scrapes them.

use std::net::SocketAddr;

use levqor_runtime::{
    check::{self, Check, Finding},
    client::local_http_client,
    exposition::MetricsConfig,
    run,
};

use super::{TIMEOUT, subject::Subject};

const NAME: &str = "telemetry.metrics";

/// Requests the metrics page. `config` holds the address from the settings.
pub(super) fn check(subject: &Subject, config: &MetricsConfig) -> Check {
    // A port that the system chose is known only from run.json.
    let fixed = config.addr().map(run::reachable).filter(|addr: &SocketAddr| addr.port() != 0);
    let of_role = fixed.filter(|_| subject.role.is_some()).map(|addr| format!("http://{addr}/metrics"));
    let Some(url) = subject.metrics().or(of_role) else {
        let why = "the address of the metrics is not known here";
        return Check::known(
            NAME,
            Finding::off(why, "set LEVQOR_METRICS_ADDR to an address and port, or start `levqor up`"),
        );
    };
    Check::new(NAME, "GET /metrics", async move { page(&url).await.into() })
}

async fn page(url: &str) -> Result<String, String> {
    let words = |error: reqwest::Error| check::clock::words(&error);
    let request = local_http_client().map_err(words)?.get(url).timeout(TIMEOUT);
    let answer = request.send().await.map_err(words)?;
    let status = answer.status().as_u16();
    let page = answer.text().await.map_err(words)?;
    let series = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    if status == 200 && page.contains("levqor_") {
        Ok(format!("200, {series} series"))
    } else {
        Err(format!("{status}: no metrics of ours"))
    }
}
