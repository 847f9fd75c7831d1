//! The Collector's configuration: it is complete, limits its memory, and passes on only the attributes that the source lists.

use std::collections::BTreeSet;

use levqor_runtime::telemetry;
use serde_json::Value;

use super::{
    catalogue::definitions,
    files::{list, str, text, yaml},
};
use crate::services;

const FILE: &str = "observability/collector/collector.yml";
/// The attributes of a resource (runtime/src/telemetry/resource.rs).
const OF_RESOURCES: &[&str] = &[
    "deployment.environment.name",
    "service.instance.id",
    "service.name",
    "service.namespace",
    "service.version",
];
/// The attributes of a log record besides its fields (runtime/src/telemetry/logs.rs).
const OF_RECORDS: &[&str] = &["code.namespace", "operation", "request.id"];

fn pipelines() -> (Value, Vec<(String, Value)>) {
    let config = yaml(FILE);
    let pipelines = config["service"]["pipelines"].as_object().expect("pipelines").clone();
    (config, pipelines.into_iter().collect())
}

#[test]
fn the_collector_passes_exactly_the_fields_that_the_source_exports() {
    let config = yaml(FILE);
    let redaction = &config["processors"]["redaction"];
    assert_eq!(redaction["allow_all_keys"], false);
    let keys = list(redaction, "allowed_keys").iter().map(|key| key.as_str().expect("a name"));
    let allowed: BTreeSet<_> = keys.clone().collect();
    assert_eq!(allowed.len(), keys.count(), "a name stands there twice");
    let of_metrics = definitions().into_iter().flat_map(|definition| definition.attributes);
    let of_services = services::ALL.iter().map(|service| service.fields());
    let fields: Vec<_> = of_services.chain([telemetry::OF_CHASSIS]).collect();
    let expected: BTreeSet<_> = OF_RESOURCES
        .iter()
        .chain(OF_RECORDS)
        .copied()
        .chain(fields.iter().flat_map(|fields| [fields.spans, fields.events]).flatten().copied())
        .chain(of_metrics.map(|attribute| attribute.key))
        .collect();
    let missing: Vec<_> = expected.difference(&allowed).collect();
    let surplus: Vec<_> = allowed.difference(&expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{FILE} lacks {missing:?} and should not have {surplus:?}"
    );
}

#[test]
fn every_pipeline_is_whole_limits_its_memory_first_and_lets_nothing_pass_unredacted() {
    let (config, pipelines) = pipelines();
    let names: Vec<_> = pipelines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["logs", "metrics", "traces"]);
    let mut used = BTreeSet::new();
    for (name, pipeline) in &pipelines {
        for kind in ["receivers", "processors", "exporters"] {
            let parts: Vec<_> =
                list(pipeline, kind).iter().map(|part| part.as_str().expect("a name")).collect();
            assert!(!parts.is_empty(), "{name} has no {kind}");
            for part in parts {
                assert!(config[kind].get(part).is_some(), "{name}: there is no {part} among the {kind}");
                used.insert(format!("{kind} {part}"));
            }
        }
        let processors = list(pipeline, "processors");
        assert_eq!(processors[..2], ["memory_limiter", "redaction"], "{name}");
        assert_eq!(processors.last().expect("one"), "batch", "{name}");
    }
    for kind in ["receivers", "processors", "exporters"] {
        for part in config[kind].as_object().expect("parts").keys() {
            assert!(used.contains(&format!("{kind} {part}")), "nothing uses {part}");
        }
    }
}

#[test]
fn the_collector_keeps_failed_and_slow_traces_whole() {
    let (config, _) = pipelines();
    let policies = list(&config["processors"]["tail_sampling"], "policies");
    let policy = |kind: &str| policies.iter().find(|policy| str(policy, "/type") == kind).expect(kind);
    assert_eq!(policy("status_code")["status_code"]["status_codes"], serde_json::json!(["ERROR"]));
    let threshold = policy("latency")["latency"]["threshold_ms"].as_f64().expect("a number") / 1000.0;
    let bucket = format!("le=\"{threshold:?}\"");
    let promises = text("observability/prometheus/rules/objectives.yml");
    assert!(
        promises
            .contains(&format!("/v1/status\",http_response_status_code!=\"404\",error_type=\"\",{bucket}"))
    );
    assert!(
        policy("probabilistic")["probabilistic"]["sampling_percentage"].as_f64().expect("a number") > 0.0
    );
}
