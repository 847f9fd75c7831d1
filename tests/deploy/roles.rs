//! The roles as the program knows them: their settings, and which services they call.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::{access::Host, config::Setting, exposition::MetricsConfig, telemetry::TelemetryConfig};

use super::files::text;
use crate::services;

/// The known facts about a setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    has_default: bool,
    secret: bool,
}

/// Settings that a process reads beside those of its role: in src/threads.rs, and in src/serve.rs for the gateway.
const BESIDE: &[(&str, Known)] = &[
    ("LEVQOR_WORKER_THREADS", Known { has_default: false, secret: false }),
    ("LEVQOR_DRAIN_DELAY_MS", Known { has_default: true, secret: false }),
];
/// Every role can read it, and only billing accepts a token that it signs.
const PRODUCT_KEY: &str = "LEVQOR_PRODUCT_KEY";

/// The names of the services.
pub(super) fn services() -> Vec<&'static str> {
    services::ALL.iter().map(|service| service.name()).collect()
}

/// The names of all roles.
pub(super) fn roles() -> Vec<&'static str> {
    services().into_iter().chain([levqor_gateway::NAME]).collect()
}

/// The setting that holds the address of a service.
pub(super) fn address(service: &str) -> String {
    format!("LEVQOR_{}_ADDR", service.to_uppercase())
}

/// The settings that the process of a role reads. In this test, every RPC of the mesh is known, so the addresses of all services
/// are among them.
fn settings(role: &str) -> BTreeMap<String, Known> {
    let own = services::find(role).map_or_else(levqor_gateway::settings, services::AnyService::settings);
    let shared = TelemetryConfig::settings().into_iter().chain(MetricsConfig::settings());
    let known = |setting: Setting| {
        let known = Known { has_default: setting.default.is_some(), secret: setting.secret };
        (setting.name.into_owned(), known)
    };
    let beside = BESIDE.iter().map(|(name, known)| ((*name).to_owned(), *known));
    own.into_iter().chain(shared).map(known).chain(beside).collect()
}

/// Which settings a manifest has to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// All of them, because a file with any of them is passed on.
    All,
    /// Those without a default.
    WithoutDefault,
}

/// Checks that a manifest gives a role settings that it reads, and all that are needed. A secret may be given as `NAME_FILE`.
pub(super) fn check(place: &str, role: &str, variables: &BTreeSet<String>, needed: Needed) {
    let known = settings(role);
    let is_secret = |name: &str| known.get(name).is_some_and(|known| known.secret);
    let setting = |variable: &String| {
        variable.strip_suffix("_FILE").filter(|name| is_secret(name)).unwrap_or(variable).to_owned()
    };
    let named: BTreeSet<String> = variables.iter().map(setting).collect();
    assert_eq!(named.len(), variables.len(), "{place}: {role} gets a secret twice");
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "{place}: {role} reads no {unknown:?}");

    let addresses: BTreeSet<String> = services().into_iter().map(address).collect();
    let called: BTreeSet<String> = calls(role).iter().map(|service| address(service)).collect();
    let given: BTreeSet<String> = named.intersection(&addresses).cloned().collect();
    assert_eq!(
        given, called,
        "{place}: {role} is told the addresses on the left, and calls those on the right"
    );
    let of_others = |name: &str| addresses.contains(name) || (name == PRODUCT_KEY && role != "billing");
    let wanted = |known: &Known| needed == Needed::All || !known.has_default;
    let missing: Vec<_> = known
        .iter()
        .filter(|(name, known)| wanted(known) && !of_others(name) && !named.contains(*name))
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "{place}: {role} is not given {missing:?}");
}

/// Whether a role reads a setting of this name.
pub(super) fn reads(role: &str, name: &str) -> bool {
    settings(role).contains_key(name)
}

/// Whether a variable holds a secret of a role.
pub(super) fn is_secret(role: &str, name: &str) -> bool {
    settings(role).get(name).is_some_and(|known| known.secret)
}

/// The services that a role calls: the gateway all, a service those that its `CALLS` and `ASKS` name.
pub(super) fn calls(role: &str) -> BTreeSet<String> {
    if role == levqor_gateway::NAME {
        return services().into_iter().map(str::to_owned).collect();
    }
    let source = text(&format!("services/{role}/src/lib.rs"));
    let constant = |name: &str| {
        let start = format!("const {name}: ");
        let rest = source.split_once(start.as_str()).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(';').next()).unwrap_or_default()
    };
    let packages: Vec<_> =
        constant("CALLS").split("levqor_proto_").skip(1).filter_map(|rest| rest.split(':').next()).collect();
    let mut called: BTreeSet<String> =
        constant("ASKS").split('"').skip(1).step_by(2).map(str::to_owned).collect();
    for method in levqor_gateway::methods().iter() {
        let service = method.descriptor.parent_service().full_name().to_owned();
        let is_called = service.split('.').nth(1).is_some_and(|package| packages.contains(&package));
        if let Host::Service(host) = &method.host
            && is_called
        {
            called.insert(host.clone());
        }
    }
    called.remove(role);
    called
}

#[test]
fn calls_between_services_are_found_in_the_code() {
    assert!(calls("billing").contains("notifications"), "it asks for mails");
    assert!(calls("notifications").contains("billing"), "it asks whether a mail is still wanted");
}
