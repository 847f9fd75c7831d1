//! `docker-compose.yml`: each role is a container with the settings that it reads, started in the right order.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    files::{port, str, text, words, yaml},
    roles::{self, Needed, address, calls, roles, services},
};

const FILE: &str = "docker-compose.yml";

fn stack() -> Value {
    yaml(FILE).pop().expect("a document")
}

/// A container of the stack.
fn container<'v>(stack: &'v Value, name: &str) -> &'v Value {
    stack.pointer(&format!("/services/{name}")).unwrap_or_else(|| panic!("{FILE} has no {name}"))
}

/// The names of the variables that a container gets.
fn variables(container: &Value) -> BTreeSet<String> {
    let environment = container.get("environment").and_then(Value::as_object);
    environment.expect("an environment").keys().cloned().collect()
}

#[test]
fn every_role_is_a_container_and_gets_every_setting_that_it_reads() {
    let stack = stack();
    for role in roles() {
        let container = container(&stack, role);
        assert_eq!(words(container, "/command"), ["serve", role]);
        roles::check(FILE, role, &variables(container), Needed::All);
    }
}

#[test]
fn every_role_is_healthy_when_it_says_that_it_is_ready() {
    let stack = stack();
    for role in roles() {
        let container = container(&stack, role);
        let asked = words(container, "/healthcheck/test");
        assert_eq!(asked, ["CMD", "/usr/local/bin/levqor", "health", role]);
    }
}

#[test]
fn each_service_starts_after_its_migrations_and_the_gateway_after_the_services() {
    let stack = stack();
    for service in services() {
        let migration = format!("migrate_{service}");
        let waits = json!({&migration: {"condition": "service_completed_successfully"}});
        assert_eq!(container(&stack, service)["depends_on"], waits);
        let migrates = container(&stack, &migration);
        assert_eq!(words(migrates, "/command"), ["migrate", service]);
        let given = variables(migrates);
        assert_eq!(given.into_iter().collect::<Vec<_>>(), ["LEVQOR_DATABASE_URL_FILE"]);
        let after = &container(&stack, "gateway")["depends_on"][service]["condition"];
        assert_eq!(*after, "service_healthy", "the gateway and {service}");
    }
}

#[test]
fn every_service_gets_secrets_and_a_database() {
    let stack = stack();
    for (maker, script) in [("secrets", "/secrets.sh"), ("databases", "/databases.sh")] {
        let expected: Vec<_> = ["bash", script].into_iter().chain(services()).collect();
        assert_eq!(words(container(&stack, maker), "/command"), expected);
    }
    for role in roles() {
        let mounts = words(container(&stack, role), "/volumes");
        assert!(mounts.contains(&format!("secrets_{role}:/run/levqor:ro").as_str()), "{role}: {mounts:?}");
    }
}

#[test]
fn ports_are_those_at_which_the_roles_listen() {
    let stack = stack();
    let listens =
        |role: &str, name: &str| port(str(container(&stack, role), &format!("/environment/{name}")));
    for role in roles() {
        for called in calls(role) {
            let told = str(container(&stack, role), &format!("/environment/{}", address(&called))).to_owned();
            assert_eq!(told, format!("dns:{called}:{}", listens(&called, "LEVQOR_GRPC_ADDR")), "{role}");
        }
    }
    let published = words(container(&stack, "gateway"), "/ports");
    assert_eq!(
        published.iter().map(|ports| port(ports)).collect::<Vec<_>>(),
        [listens("gateway", "LEVQOR_HTTP_ADDR")]
    );
    let all = stack["services"].as_object().expect("services").values();
    for open in all.flat_map(|container| words(container, "/ports")) {
        assert!(open.starts_with("127.0.0.1:"), "{open} is open to other machines");
    }
    let targets = roles().into_iter().map(|role| format!("{role}:{}", listens(role, "LEVQOR_METRICS_ADDR")));
    let scraped = &yaml("observability/prometheus/prometheus.yml")[0];
    let scraped: BTreeSet<_> =
        words(scraped, "/scrape_configs/0/static_configs/0/targets").into_iter().map(str::to_owned).collect();
    assert_eq!(scraped, targets.collect(), "what Prometheus scrapes, and where the roles show their metrics");
}

/// The services that keep files.
const KEEP_FILES: &[&str] = &["billing", "compliance", "support"];

#[test]
fn nothing_in_a_container_of_ours_can_be_written_but_the_files_of_customers() {
    let stack = stack();
    let migrations = services().into_iter().map(|service| format!("migrate_{service}"));
    for name in roles().into_iter().map(str::to_owned).chain(migrations) {
        let container = container(&stack, &name);
        assert_eq!(container["read_only"], true, "{name}");
        assert_eq!(container["cap_drop"], json!(["ALL"]), "{name}");
        for mount in words(container, "/volumes") {
            let files = mount == "files:/var/lib/levqor/files" && KEEP_FILES.contains(&name.as_str());
            assert!(files || mount.ends_with(":ro"), "{name}: {mount}");
        }
    }
    assert!(text("Dockerfile").contains("/var/lib/levqor/files"), "the image has the folder");
}
