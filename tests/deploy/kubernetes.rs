//! `k8s/`: each role is a Deployment with the settings, ports and probes that the program has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use chrono::TimeDelta;
use levqor_runtime::tls::RENEWAL_IS_LATE;
use serde_json::Value;

use super::{
    files::{list, port, str, text, variables, words, yaml},
    roles::{self, Needed, address, calls, is_secret, reads, roles, services},
};

/// The object of this kind in the file of a role.
fn object(role: &str, kind: &str) -> Value {
    let objects = yaml(&format!("k8s/base/{role}.yaml"));
    let mut found = objects.into_iter().filter(|object| str(object, "/kind") == kind);
    let object = found.next().unwrap_or_else(|| panic!("{role} has no {kind}"));
    assert!(found.next().is_none(), "{role} has two of {kind}");
    object
}

/// The container of a Deployment, a Job or a patch.
fn container(object: &Value) -> &Value {
    let containers = list(object, "/spec/template/spec/containers");
    assert_eq!(containers.len(), 1, "one container");
    assert_eq!(str(&containers[0], "/name"), "levqor", "patches find it by its name");
    &containers[0]
}

/// The settings of a role that are not secrets.
fn plain(role: &str) -> BTreeMap<String, String> {
    let mut all = variables("k8s/base/settings/mesh.env");
    all.extend(variables(&format!("k8s/base/settings/{role}.env")));
    all
}

/// The secrets of a container, by reference.
fn secrets(container: &Value) -> BTreeSet<String> {
    let secret = |variable: &Value| {
        let name = str(variable, "/name");
        assert!(variable.pointer("/valueFrom/secretKeyRef").is_some(), "{name} is no reference");
        name.to_owned()
    };
    list(container, "/env").iter().map(secret).collect()
}

/// The patches of the containers of a role.
fn patches(role: &str) -> Vec<Value> {
    let of_all = yaml("k8s/base/patches/role.yaml");
    let of_services =
        if services().contains(&role) { yaml("k8s/base/patches/service.yaml") } else { Vec::new() };
    of_all.into_iter().chain(of_services).collect()
}

/// The ports of a role, by name.
fn ports(role: &str) -> BTreeMap<String, u64> {
    let own = object(role, "Deployment");
    let all = patches(role).into_iter().chain([own]);
    let ports = all.flat_map(|object| list(container(&object), "/ports").to_vec());
    ports
        .map(|port| (str(&port, "/name").to_owned(), port["containerPort"].as_u64().expect("a port")))
        .collect()
}

#[test]
fn every_role_gets_every_setting_without_a_default_and_none_that_it_does_not_read() {
    for role in roles() {
        let deployment = object(role, "Deployment");
        let container = container(&deployment);
        assert_eq!(words(container, "/args"), ["serve", role]);
        let (plain, secrets) = (plain(role), secrets(container));
        let open: Vec<_> = plain.keys().filter(|name| is_secret(role, name)).collect();
        assert!(open.is_empty(), "{role}: {open:?} are secrets in a file of settings");
        let both: BTreeSet<_> = plain.into_keys().chain(secrets).collect();
        roles::check("k8s/base", role, &both, Needed::WithoutDefault);
    }
}

#[test]
fn every_service_has_a_migration_by_the_owner_of_its_database() {
    for service in services() {
        let job = object(service, "Job");
        let migrates = container(&job);
        assert_eq!(words(migrates, "/args"), ["migrate", service]);
        let secret = |container: &Value| {
            let variables = list(container, "/env").iter();
            let mut found = variables.filter(|variable| str(variable, "/name") == "LEVQOR_DATABASE_URL");
            str(found.next().expect("a database"), "/valueFrom/secretKeyRef/name").to_owned()
        };
        assert_eq!(secret(migrates), format!("{service}-database-owner"));
        assert_eq!(secret(container(&object(service, "Deployment"))), format!("{service}-database"));
    }
}

#[test]
fn ports_are_those_at_which_the_roles_listen() {
    for role in roles() {
        let (ports, settings) = (ports(role), plain(role));
        let (name, listens) = if services().contains(&role) {
            ("grpc", "LEVQOR_GRPC_ADDR")
        } else {
            ("http", "LEVQOR_HTTP_ADDR")
        };
        let expected = [(name, listens), ("metrics", "LEVQOR_METRICS_ADDR")];
        let expected = expected.map(|(name, setting)| (name.to_owned(), port(&settings[setting])));
        assert_eq!(ports, expected.into(), "{role}");
        let service = object(role, "Service");
        assert_eq!(str(&service, "/spec/ports/0/targetPort"), name, "{role}");
        for called in calls(role) {
            let grpc = port(&plain(&called)["LEVQOR_GRPC_ADDR"]);
            assert_eq!(settings[&address(&called)], format!("dns:{called}:{grpc}"), "{role}");
        }
        if name == "grpc" {
            assert_eq!(str(&service, "/spec/clusterIP"), "None", "callers of {role} see every replica");
            assert_eq!(service["spec"]["ports"][0]["port"], ports["grpc"], "{role}");
        }
    }
    let scraped = yaml("k8s/base/telemetry.yaml");
    assert_eq!(str(&scraped[0], "/spec/podMetricsEndpoints/0/port"), "metrics");
    assert!(text("runtime/src/exposition.rs").contains("\"/metrics\""));
    assert_eq!(str(&scraped[0], "/spec/podMetricsEndpoints/0/path"), "/metrics");
}

#[test]
fn the_probes_in_manifests_use_paths_that_exist() {
    let (health, exposition) = (text("gateway/src/health.rs"), text("runtime/src/exposition.rs"));
    for role in roles() {
        let ports = ports(role);
        let own = object(role, "Deployment");
        let all: Vec<_> = patches(role).into_iter().chain([own]).collect();
        for kind in ["readinessProbe", "livenessProbe", "startupProbe"] {
            let probes: Vec<_> = all.iter().filter_map(|object| container(object).get(kind)).collect();
            let [probe] = probes.as_slice() else { panic!("{role} has {} of {kind}", probes.len()) };
            // The kubelet cannot ask a port that wants a certificate.
            assert!(probe.get("grpc").is_none(), "{role}");
            if probe.get("exec").is_some() {
                assert_eq!(words(probe, "/exec/command"), ["/usr/local/bin/levqor", "health", role]);
                continue;
            }
            let (path, port) = (str(probe, "/httpGet/path"), str(probe, "/httpGet/port"));
            let answers = match port {
                "http" => &health,
                "metrics" => &exposition,
                other => panic!("{role} has no port {other}"),
            };
            assert!(ports.contains_key(port), "{role} has no port {port}");
            assert!(answers.contains(&format!(".route(\"{path}\", get(")), "{role}: nobody answers {path}");
        }
    }
}

#[test]
fn overlays_and_components_set_only_what_roles_read() {
    let mut seen = 0;
    for file in [
        "k8s/overlays/staging/kustomization.yaml",
        "k8s/overlays/production/kustomization.yaml",
        "k8s/components/mesh-tls/kustomization.yaml",
        "k8s/components/order-files/kustomization.yaml",
    ] {
        for map in yaml(file).iter().flat_map(|document| list(document, "/configMapGenerator").to_vec()) {
            let of = str(&map, "/name").to_owned();
            let readers: Vec<_> = if of == "mesh" { roles() } else { vec![of.as_str()] };
            for (role, literal) in
                readers.iter().flat_map(|role| words(&map, "/literals").into_iter().map(move |of| (role, of)))
            {
                let name = literal.split('=').next().unwrap_or_default();
                assert!(reads(role, name), "{file}: {role} reads no {name}");
                assert!(!is_secret(role, name), "{file}: {name} is a secret");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} settings were found");
}

#[test]
fn the_links_of_every_role_lead_to_the_deployment_that_it_is_in() {
    for overlay in ["staging", "production"] {
        let file = format!("k8s/overlays/{overlay}/kustomization.yaml");
        let all = yaml(&file);
        let maps = list(&all[0], "/configMapGenerator");
        // Their defaults are the addresses of Levqor's own production.
        for name in ["LEVQOR_API_URL", "LEVQOR_SITE_URL"] {
            for role in roles().into_iter().filter(|role| reads(role, name)) {
                let own = maps.iter().find(|map| str(map, "/name") == role);
                let is_set = |map: &Value| words(map, "/literals").iter().any(|of| of.starts_with(name));
                assert!(own.is_some_and(is_set), "{file}: {role} has no {name}");
            }
        }
    }
}

#[test]
fn the_document_says_where_every_secret_goes_and_how_it_is_rotated() {
    let document = text("docs/DEPLOY.md");
    let secrets_of = |name: &str| {
        let line = document.lines().find(|line| line.trim_start().starts_with(&format!("| `{name}` |")));
        line.map(str::to_owned).unwrap_or_default()
    };
    let (_, rotation) = document.split_once("\n## Rotating secrets\n").expect("a section");
    let rotation = rotation.split("\n## ").next().unwrap_or_default();
    for role in roles() {
        let deployment = object(role, "Deployment");
        for variable in list(container(&deployment), "/env") {
            let (name, of) = (str(variable, "/name"), str(variable, "/valueFrom/secretKeyRef/name"));
            // The databases have one line for all services.
            if of != format!("{role}-database") {
                assert!(
                    secrets_of(of).contains(&format!("`{name}`")),
                    "the Secret {of} is described without {name}"
                );
                assert!(rotation.contains(&format!("`{name}`")), "nothing says how {name} is rotated");
            }
        }
    }
}

#[test]
fn the_rules_of_the_deployment_are_those_whose_metrics_are_checked() {
    let name = |rule: &Value| str(rule, "/metadata/name").to_owned();
    let deployed = yaml("k8s/base/prometheus-rules.yaml");
    let deployed: BTreeMap<_, _> =
        deployed.iter().map(|rule| (name(rule), rule["spec"]["groups"].clone())).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("observability/prometheus/rules");
    let files = fs::read_dir(folder).expect("rules").map(|file| file.expect("a file").file_name());
    let checked = files.map(|file| {
        let file = file.into_string().expect("a name");
        let groups = yaml(&format!("observability/prometheus/rules/{file}"))[0]["groups"].clone();
        (file.trim_end_matches(".yml").to_owned(), groups)
    });
    assert_eq!(deployed, checked.collect(), "run `bash .ci/deploy rules`");
}

#[test]
fn every_role_is_part_of_the_deployment_and_of_its_metrics() {
    let kustomization = &yaml("k8s/base/kustomization.yaml")[0];
    let (resources, maps) = (words(kustomization, "/resources"), list(kustomization, "/configMapGenerator"));
    let label = "app.kubernetes.io/part-of";
    assert_eq!(str(&yaml("k8s/base/telemetry.yaml")[0], "/spec/jobLabel"), label);
    for role in roles() {
        assert!(resources.contains(&format!("{role}.yaml").as_str()), "{resources:?} has no {role}");
        assert!(maps.iter().any(|map| str(map, "/name") == role), "{role} has no settings");
        let deployment = object(role, "Deployment");
        // The rules of Prometheus ask for the job of this name.
        assert_eq!(deployment["spec"]["template"]["metadata"]["labels"][label], "levqor", "{role}");
        for kind in ["ServiceAccount", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"] {
            assert_eq!(str(&object(role, kind), "/metadata/name"), role, "{kind}");
        }
    }
}

#[test]
fn every_role_has_a_certificate_of_its_name_where_its_settings_look_for_it() {
    const FOLDER: &str = "/run/levqor/mesh-tls";
    let component = &yaml("k8s/components/mesh-tls/kustomization.yaml")[0];
    let set = words(component, "/configMapGenerator/0/literals");
    for (name, file) in [("CERT", "tls.crt"), ("KEY", "tls.key"), ("CA", "ca.crt")] {
        let literal = format!("LEVQOR_MESH_TLS_{name}={FOLDER}/{file}");
        assert!(set.contains(&literal.as_str()), "{set:?} has no {literal}");
    }
    for role in roles() {
        let certificate = &yaml(&format!("k8s/components/mesh-tls/{role}.yaml"))[0];
        assert_eq!(words(certificate, "/spec/dnsNames"), [format!("{role}.levqor.internal")]);
        let of_role = |patch: &&Value| str(patch, "/target/name") == role;
        let patch = list(component, "/patches").iter().find(of_role).expect(role);
        let patch = str(patch, "/patch");
        let secret = format!("secretName: {}", str(certificate, "/spec/secretName"));
        assert!(patch.contains(&secret) && patch.contains(FOLDER), "{role}: {patch}");
    }
    for overlay in ["staging", "production"] {
        let overlay = &yaml(&format!("k8s/overlays/{overlay}/kustomization.yaml"))[0];
        assert!(words(overlay, "/components").contains(&"../../components/mesh-tls"));
    }
}

#[test]
fn certificates_are_renewed_before_the_alert_fires() {
    let certificate = &yaml("k8s/components/mesh-tls/certificate.yaml")[0];
    let before = str(certificate, "/spec/renewBefore").trim_end_matches('h').parse().expect("hours");
    // Days for cert-manager to try again, and for the kubelet to bring the file.
    let enough = RENEWAL_IS_LATE + TimeDelta::days(3);
    assert!(TimeDelta::hours(before) >= enough, "{before} hours");
    let alert = text("observability/prometheus/rules/certificates.yml");
    // The metric is that time, or a later one.
    assert!(alert.contains("(levqor_tls_certificate_renewal_timestamp_seconds) < time()\n"), "{alert}");
}
