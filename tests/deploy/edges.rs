//! The network policies of `k8s/`: exactly the calls that the code makes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    files::{list, str, yaml},
    roles::{calls, roles, services},
};

/// The policy in the file of a role.
fn policy(role: &str) -> Value {
    let objects = yaml(&format!("k8s/base/{role}.yaml"));
    objects.into_iter().find(|object| str(object, "/kind") == "NetworkPolicy").expect(role)
}

/// The roles that a policy names in one direction, and the ports to them.
fn named(policy: &Value, rules: &str, peers: &str) -> (BTreeSet<String>, BTreeSet<u64>) {
    let (mut names, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for rule in list(policy, rules) {
        for peer in list(rule, peers) {
            let name = str(peer, "/podSelector/matchLabels/app.kubernetes.io~1name");
            if !name.is_empty() {
                names.insert(name.to_owned());
                ports.extend(list(rule, "/ports").iter().filter_map(|port| port["port"].as_u64()));
            }
        }
    }
    (names, ports)
}

#[test]
fn every_call_of_the_code_is_allowed_in_both_directions_and_no_other() {
    for role in roles() {
        let policy = policy(role);
        assert_eq!(str(&policy, "/spec/podSelector/matchLabels/app.kubernetes.io~1name"), role);
        let (called, ports) = named(&policy, "/spec/egress", "/to");
        assert_eq!(called, calls(role), "{role} may call those on the left, and calls those on the right");
        assert_eq!(ports, BTreeSet::from([50051]), "{role}");
        let (callers, _) = named(&policy, "/spec/ingress", "/from");
        let expected = roles().into_iter().filter(|other| calls(other).contains(role)).map(str::to_owned);
        assert_eq!(callers, expected.collect(), "{role} may be called by those on the left");
    }
}

#[test]
fn nothing_is_allowed_that_no_policy_names() {
    let base = yaml("k8s/base/network.yaml");
    let of = |name: &str| base.iter().find(|object| str(object, "/metadata/name") == name).expect(name);
    let all = of("deny-all");
    assert_eq!(all["spec"]["podSelector"], serde_json::json!({}));
    assert_eq!(all["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    assert!(all["spec"].get("ingress").is_none() && all["spec"].get("egress").is_none());
}

#[test]
fn each_service_reaches_its_own_database_only() {
    let objects = yaml("k8s/components/cloudnative-pg/network.yaml");
    for service in services() {
        let name = format!("{service}-to-database");
        let policy = objects.iter().find(|object| str(object, "/metadata/name") == name).expect(&name);
        assert_eq!(str(policy, "/spec/podSelector/matchLabels/app.kubernetes.io~1name"), service);
        let to = str(policy, "/spec/egress/0/to/0/podSelector/matchLabels/cnpg.io~1cluster");
        assert_eq!(to, format!("{service}-database"));
        let cluster = yaml(&format!("k8s/components/cloudnative-pg/{service}.yaml"));
        assert_eq!(str(&cluster[0], "/metadata/name"), to);
    }
}
