//! The files under `observability/` and `docs/`, as they are read by Prometheus, Grafana and people.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A file of the repository.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// A YAML file of the repository.
pub(crate) fn yaml(path: &str) -> Value {
    serde_norway::from_str(&text(path)).expect(path)
}

/// The files in a folder with this extension, by their paths from the root.
pub(crate) fn folder(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect(folder);
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let fits = |path: &PathBuf| path.extension().is_some_and(|of| of == extension);
    let name = |path: PathBuf| {
        format!("{folder}/{}", path.file_name().and_then(|name| name.to_str()).expect("a name"))
    };
    let mut files: Vec<_> = paths.filter(fits).map(name).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// A list in a value; empty if there is none.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text in a value; empty if there is none.
pub(crate) fn str<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every rule of Prometheus, in the order of the files.
pub(crate) fn rules() -> Vec<Value> {
    let files = folder("observability/prometheus/rules", "yml");
    let groups = files.iter().map(|file| yaml(file)).flat_map(|file| list(&file, "groups").to_vec());
    groups.flat_map(|group| list(&group, "rules").to_vec()).collect()
}

/// Every alert.
pub(crate) fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

/// Every dashboard.
pub(crate) fn dashboards() -> Vec<Value> {
    let files = folder("observability/grafana/dashboards", "json");
    files.iter().map(|file| serde_json::from_str(&text(file)).expect(file)).collect()
}

/// Every query of a dashboard, with values for Grafana's variables.
pub(crate) fn queries(dashboard: &Value) -> Vec<String> {
    let panels = list(dashboard, "panels").iter();
    let targets = panels.flat_map(|panel| list(panel, "targets"));
    targets
        .map(|target| {
            str(target, "/expr").replace("$__rate_interval", "1m").replace("=\"$service\"", "=~\".+\"")
        })
        .collect()
}
