//! The network policies of `k8s/`, each compared whole: exactly the calls that the code makes, and the few other edges, which are named
//! here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

use super::{
    files::{str, text, yaml},
    roles::{calls, roles, services},
};

const BASE: &str = "k8s/base/network.yaml";
const CLOUDNATIVE_PG: &str = "k8s/components/cloudnative-pg/network.yaml";
const BY_URL: &str = "k8s/components/database-by-url/network.yaml";

/// Policies by their file and their name.
type Policies = BTreeMap<(String, String), Value>;

/// The files below a folder.
fn files(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join(folder)).expect(folder);
    let files = entries.flat_map(|entry| {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() { files(&path) } else { vec![path] }
    });
    files.collect()
}

/// A value with its lists in one order: in a policy their order means nothing.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(sorted).collect();
            items.sort_by_cached_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.into_iter().collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Every policy of `k8s/`. No other file, and no patch, may contain one.
fn written() -> Policies {
    let (mut policies, mut named) = (Policies::new(), 0);
    for path in files("k8s") {
        let text = text(&path);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let here = lines.filter(|line| line.contains("NetworkPolicy")).count();
        named += here;
        if here == 0 {
            continue;
        }
        for object in yaml(&path).iter().filter(|object| str(object, "/kind").contains("NetworkPolicy")) {
            let name = str(object, "/metadata/name").to_owned();
            let twice = policies.insert((path.clone(), name), sorted(object));
            assert!(twice.is_none(), "{path}: {object} is there twice");
        }
    }
    assert_eq!(named, policies.len(), "a patch changes a network policy");
    policies
}

fn tcp(ports: &[u64]) -> Value {
    ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect()
}

/// The pods of a role.
fn pods(role: &str) -> Value {
    let component = if role == levqor_gateway::NAME { "gateway" } else { "service" };
    let labels = json!({"app.kubernetes.io/name": role, "app.kubernetes.io/component": component});
    json!({"podSelector": {"matchLabels": labels}})
}

/// The pods with these components, of one service or of all.
fn of_components(service: Option<&str>, components: &[&str]) -> Value {
    let labels = match service {
        Some(service) => json!({"app.kubernetes.io/name": service}),
        None => json!({"app.kubernetes.io/part-of": "levqor"}),
    };
    let is_one = json!({"key": "app.kubernetes.io/component", "operator": "In", "values": components});
    json!({"matchLabels": labels, "matchExpressions": [is_one]})
}

/// All pods of the namespaces with this label.
fn namespaces(label: &str, value: &str) -> Value {
    let labels: Value = [(label, value)].into_iter().collect();
    json!({"namespaceSelector": {"matchLabels": labels}})
}

fn monitoring() -> Value {
    namespaces("kubernetes.io/metadata.name", "monitoring")
}

/// The look-up of names.
fn names() -> Value {
    let mut to = namespaces("kubernetes.io/metadata.name", "kube-system");
    to["podSelector"] = json!({"matchLabels": {"k8s-app": "kube-dns"}});
    json!({"to": [to], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
}

/// Public addresses: none of the cluster, of the cloud's metadata, or of another private network.
fn public() -> Value {
    let private = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
    json!([
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": private}},
        {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
    ])
}

/// The calls of a role and to it, and what else only this role may do.
fn of_role(role: &str) -> Value {
    let mut callers: Vec<_> =
        roles().into_iter().filter(|other| calls(other).contains(role)).map(pods).collect();
    let called: Vec<_> = calls(role).iter().map(|service| pods(service)).collect();
    let mut port = 50051;
    let mut egress = vec![json!({"to": called, "ports": tcp(&[50051])})];
    match role {
        // The ingress controller.
        "gateway" => {
            callers.push(namespaces("levqor.ai/ingress", "true"));
            port = 8080;
        }
        // The business' own product asks `CheckEntitlement`.
        "billing" => callers.push(namespaces("levqor.ai/product", "true")),
        // `SMTP_URL`.
        "notifications" => egress.push(json!({"to": public(), "ports": tcp(&[465, 587])})),
        _ => {}
    }
    json!({
        "podSelector": pods(role)["podSelector"],
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": callers, "ports": tcp(&[port])}],
        "egress": egress,
    })
}

/// The policies of all pods.
fn of_all() -> [(&'static str, Value); 3] {
    let vendors = json!({
        "podSelector": of_components(None, &["gateway", "service"]),
        "policyTypes": ["Egress"],
        "egress": [{"to": public(), "ports": tcp(&[443])}],
    });
    let names_and_telemetry = json!({
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "levqor"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [monitoring()], "ports": tcp(&[9464])}],
        "egress": [names(), {"to": [monitoring()], "ports": tcp(&[4317])}],
    });
    [
        ("deny-all", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
        ("names-and-telemetry", names_and_telemetry),
        ("vendors", vendors),
    ]
}

/// A service and its migration reach the service's own database, and no other.
fn of_database(service: &str) -> [(String, Value); 2] {
    let (own, database) =
        (of_components(Some(service), &["service", "migration"]), format!("{service}-database"));
    let instances = json!({"matchLabels": {"cnpg.io/cluster": database}});
    let to = json!({
        "podSelector": own,
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": instances}], "ports": tcp(&[5432])}],
    });
    // The instances of one cluster reach each other.
    let from = json!({
        "podSelector": instances,
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": own}, {"podSelector": instances}], "ports": tcp(&[5432])}],
    });
    [(format!("{service}-to-database"), to), (database, from)]
}

/// What `CloudNativePG` needs of its instances. The address of the API server and of the backups' store differs between clusters.
fn of_instances() -> Value {
    let instances = json!({"matchExpressions": [{"key": "cnpg.io/cluster", "operator": "Exists"}]});
    let operator = namespaces("kubernetes.io/metadata.name", "cnpg-system");
    json!({
        "podSelector": instances,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [operator], "ports": tcp(&[8000, 5432])},
            {"from": [monitoring()], "ports": tcp(&[9187])},
            {"from": [{"podSelector": instances}], "ports": tcp(&[8000])},
        ],
        "egress": [
            names(),
            {"to": [{"podSelector": instances}], "ports": tcp(&[5432, 8000])},
            {"ports": tcp(&[443, 6443])},
        ],
    })
}

/// Every policy that there may be.
fn expected() -> Policies {
    let mut policies = Policies::new();
    let mut add = |path: &str, name: &str, spec: Value| {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
            "spec": spec,
        });
        policies.insert((path.to_owned(), name.to_owned()), sorted(&policy));
    };
    for role in roles() {
        add(&format!("k8s/base/{role}.yaml"), role, of_role(role));
    }
    for (name, spec) in of_all() {
        add(BASE, name, spec);
    }
    for (name, spec) in services().into_iter().flat_map(of_database) {
        add(CLOUDNATIVE_PG, &name, spec);
    }
    add(CLOUDNATIVE_PG, "databases", of_instances());
    let by_url = json!({
        "podSelector": of_components(None, &["service", "migration"]),
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": tcp(&[5432])}],
    });
    add(BY_URL, "databases", by_url);
    policies
}

#[test]
fn every_call_of_the_code_is_allowed_in_both_directions_and_no_other_edge() {
    let (written, expected) = (written(), expected());
    let names = |policies: &Policies| policies.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&written), names(&expected), "those on the left are written");
    for (name, policy) in &expected {
        let found = &written[name];
        assert_eq!(found, policy, "{name:?}\nwritten:  {found}\nexpected: {policy}");
    }
}

#[test]
fn each_database_that_a_policy_names_is_a_cluster() {
    for service in services() {
        let cluster = yaml(&format!("k8s/components/cloudnative-pg/{service}.yaml"));
        assert_eq!(str(&cluster[0], "/metadata/name"), format!("{service}-database"));
    }
}
