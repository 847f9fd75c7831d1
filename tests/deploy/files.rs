//! The files of a deployment, as Docker Compose, Kubernetes and kustomize read them.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// A file of the repository.
pub(super) fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The documents of a YAML file, with merged keys (`<<`) in place.
pub(super) fn yaml(path: &str) -> Vec<Value> {
    let text = text(path);
    let documents = serde_norway::Deserializer::from_str(&text);
    let read = documents.map(|document| {
        let mut document = serde_norway::Value::deserialize(document).expect(path);
        // A merged mapping may itself have been merged from another one.
        for _ in 0..3 {
            document.apply_merge().expect(path);
        }
        serde_json::to_value(document).expect(path)
    });
    read.filter(|document| !document.is_null()).collect()
}

/// The variables of a file of settings.
pub(super) fn variables(path: &str) -> BTreeMap<String, String> {
    let text = text(path);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect(line);
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// The text at a pointer; empty if there is none.
pub(super) fn str<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a pointer; empty if there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the list at a pointer.
pub(super) fn words<'v>(value: &'v Value, pointer: &str) -> Vec<&'v str> {
    list(value, pointer).iter().filter_map(Value::as_str).collect()
}

/// The port at the end of an address.
pub(super) fn port(address: &str) -> u64 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect(address)
}
