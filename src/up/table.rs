//! The table that `levqor up` prints: the capabilities, why some are off, and all addresses.

use std::{fmt::Write, path::Path};

use serde_json::Value;

use crate::state::RunFile;

/// Renders the status of the mesh.
pub(super) fn render(status: &Value, run: &RunFile, data: &Path, databases: &str) -> String {
    let mut text = String::from("\nLevqor is up.\n\n");
    let program =
        std::env::current_exe().map_or_else(|_| "levqor".to_owned(), |path| path.display().to_string());
    let mut rows = Vec::new();
    for (service, of) in status.get("services").and_then(Value::as_object).into_iter().flatten() {
        for capability in of.get("capabilities").and_then(Value::as_array).into_iter().flatten() {
            let field =
                |name: &str| capability.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            // All services share this process, so their telemetry is the same.
            let of_process = ["otlp", "sentry"].contains(&field("name").as_str());
            if !of_process || service == "gateway" {
                rows.push((field("state"), service.clone(), field("name"), field("reason")));
            }
        }
    }
    // Capabilities that are on come first.
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.cmp(b)));
    let width = |column: fn(&(String, String, String, String)) -> &String| {
        rows.iter().map(|row| column(row).len()).max().unwrap_or_default()
    };
    let (services, names) = (width(|row| &row.1), width(|row| &row.2));
    for (state, service, name, reason) in &rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {state:<6}  {service:<services$}  {name:<names$}  {reason}");
    }
    let _ = writeln!(text, "\n  REST        {}   (try {}/v1/status)", run.url, run.url);
    for (service, addr) in &run.grpc {
        let _ = writeln!(text, "  gRPC        {addr}   {service}");
    }
    let _ = writeln!(text, "  metrics     {}   (for Prometheus)", run.metrics);
    let _ = writeln!(text, "  PostgreSQL  {databases}");
    let _ = writeln!(text, "  data        {}", data.display());
    let mailbox = rows.iter().any(|(state, _, name, _)| state == "ON" && name == "mail_mailbox");
    let mail = if mailbox { "goes to the local mailbox" } else { "goes out" };
    let _ = write!(
        text,
        "\n  Mail {mail}: see GET /v1/messages. A token: `{program} token --role staff`.\n  \
         Webhook and token secrets that were not set are in {}/secrets.json.\n  \
         Try `{program} demo` in another terminal. Ctrl-C stops everything.\n",
        data.display()
    );
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn working_parts_are_listed_before_those_that_are_off_with_their_reason() {
        let status = json!({"services": {"billing": {"capabilities": [
            {"name": "refetch", "state": "OFF", "reason": "no key"},
            {"name": "webhooks", "state": "ON", "reason": "1 live secret"},
        ]}}});
        let run = RunFile {
            metrics: "http://127.0.0.1:2/metrics".to_owned(),
            url: "http://127.0.0.1:8080".to_owned(),
            grpc: [("billing".to_owned(), "127.0.0.1:1".to_owned())].into(),
            pid: 1,
            given: Vec::new(),
            postgres: None,
            ready: true,
        };
        let text = render(&status, &run, Path::new("/data"), "private");
        let (on, off) = (text.find("webhooks").expect("on"), text.find("refetch").expect("off"));
        assert!(on < off, "{text}");
        assert!(text.contains("OFF     billing  refetch   no key"), "{text}");
    }
}
