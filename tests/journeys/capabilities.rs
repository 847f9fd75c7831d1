//! The capabilities that the mesh reports. Each is reported by exactly one service, the one that measures it.

use std::collections::BTreeMap;

use levqor_runtime::testing::eventually;
use serde_json::Value;

use crate::{harness::Mesh, services};

/// Each process has exporters of its own.
const OF_EVERY_PROCESS: &[&str] = &["otlp", "sentry"];

#[tokio::test]
async fn no_two_services_give_a_verdict_on_the_same_capability() {
    let mesh = Mesh::start().await;
    // The gateway waits two seconds for a service, and then tells no capabilities of it.
    let status = eventually("every service answers in time", || async {
        let status = mesh.staff().get("/v1/status").await;
        let services = status.json["services"].as_object().expect("services");
        let all_tell = services.values().all(|of| of["capabilities"].is_array());
        all_tell.then_some(status)
    })
    .await;
    let services = status.json["services"].as_object().expect("services");
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (service, of) in services {
        for capability in of["capabilities"].as_array().expect("capabilities") {
            let name = capability["name"].as_str().expect("a name");
            told.entry(name).or_default().push(service);
        }
    }
    assert!(told.len() > 10, "{told:?}");
    for (name, services) in &told {
        // The gateway is a process too.
        let expected = if OF_EVERY_PROCESS.contains(name) { services::ALL.len() + 1 } else { 1 };
        assert_eq!(services.len(), expected, "{name}: {services:?}");
    }
    assert_eq!(told["resend_webhooks"], ["notifications"]);
    assert_eq!(told["stripe_webhooks"], ["billing"]);
    let reason = |capability: &Value| capability["reason"].as_str().is_some_and(|reason| !reason.is_empty());
    for of in services.values() {
        assert!(of["capabilities"].as_array().expect("capabilities").iter().all(reason), "{of}");
    }
    mesh.finish().await;
}
