//! The rules of Prometheus: they name only metrics that exist, and each alert names its meaning, its urgency, and its section
//! of the runbook.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::{
    catalogue::{Catalogue, services},
    files::{alerts, dashboards, folder, list, rules, str, text, yaml},
    queries::check,
};

/// The runbook's address until `observability/runbook-url` sets it.
const PLACEHOLDER: &str = "https://levqor.example/docs/RUNBOOK.md";

/// The exported and the recorded series. A rule may use another rule in any file.
pub(crate) fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::exported();
    let mut waiting: Vec<_> = rules().into_iter().filter(|rule| rule.get("record").is_some()).collect();
    while !waiting.is_empty() {
        let all = waiting.len();
        let pending: BTreeSet<_> = waiting.iter().map(|rule| str(rule, "/record").to_owned()).collect();
        waiting.retain(|rule| {
            let expr = str(rule, "/expr");
            // Names of recording rules have colons in them, and nothing else has.
            if pending.iter().any(|name| expr.contains(name.as_str())) {
                return true;
            }
            catalogue
                .record(str(rule, "/record"), check(expr, &catalogue).into_iter().chain(own_labels(rule)));
            false
        });
        assert!(waiting.len() < all, "recording rules stand on one another in a circle: {waiting:?}");
    }
    catalogue
}

fn own_labels(rule: &Value) -> Vec<String> {
    let labels = rule.get("labels").and_then(Value::as_object);
    labels.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_alert_queries_defined_metrics_and_its_text_uses_labels_that_it_has() {
    let catalogue = catalogue();
    for alert in alerts() {
        let name = str(&alert, "/alert");
        let mut labels = check(str(&alert, "/expr"), &catalogue);
        labels.extend(own_labels(&alert));
        for words in ["/annotations/summary", "/annotations/description"] {
            for rest in str(&alert, words).split("$labels.").skip(1) {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let label = rest.get(..end).unwrap_or_default();
                assert!(labels.contains(label), "{name} uses the label {label}, but lacks it");
            }
        }
    }
}

#[test]
fn every_alert_is_complete_and_leads_to_its_section_and_its_dashboard() {
    let dashboards: Vec<_> = dashboards().iter().map(|board| str(board, "/uid").to_owned()).collect();
    for alert in alerts() {
        let name = str(&alert, "/alert");
        assert!(
            ["page", "ticket"].contains(&str(&alert, "/labels/severity")),
            "{name} says how urgent it is"
        );
        for words in ["summary", "description"] {
            assert!(str(&alert, &format!("/annotations/{words}")).len() > 10, "{name} has no {words}");
        }
        let (base, section) = str(&alert, "/annotations/runbook_url").split_once('#').unwrap_or_default();
        assert_eq!((base, section), (PLACEHOLDER, name.to_lowercase().as_str()), "{name}");
        let dashboard = str(&alert, "/annotations/dashboard");
        assert!(dashboards.iter().any(|uid| uid == dashboard), "{name}: there is no dashboard {dashboard}");
    }
}

#[test]
fn one_command_sets_where_the_runbook_of_every_alert_is() {
    let copy = std::env::temp_dir().join(format!("levqor-rules-{}", std::process::id()));
    fs::create_dir_all(&copy).expect("a folder");
    let files = folder("observability/prometheus/rules", "yml");
    let copied = |file: &str| copy.join(file.rsplit('/').next().expect("a name"));
    for file in &files {
        fs::write(copied(file), text(file)).expect("a copy");
    }
    let set = |url: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("observability/runbook-url");
        let output = Command::new("bash").arg(script).arg(url).arg(&copy).output().expect("bash");
        output.status.success()
    };
    let now =
        || files.iter().map(|file| fs::read_to_string(copied(file)).expect("rules")).collect::<String>();
    let shipped = now();
    for url in ["https://wiki.example.com:8443/levqor/RUNBOOK.md", "http://wiki.local/run?page=levqor"] {
        assert!(set(url), "{url}");
        assert_eq!(now(), shipped.replace(PLACEHOLDER, url));
    }
    let before = now();
    for url in [
        "",
        "docs/RUNBOOK.md",
        "//wiki/x",
        "https://wiki/x#section",
        "https://wiki/a b",
        "https://wiki/x|e id",
    ] {
        assert!(!set(url), "{url}");
        assert_eq!(now(), before, "{url}");
    }
    assert!(set(PLACEHOLDER));
    assert_eq!(now(), shipped);
    fs::remove_dir_all(&copy).expect("removed");
}

#[test]
fn the_alertmanager_example_sends_every_severity_somewhere_and_holds_no_secret() {
    let config = yaml("observability/alertmanager/alertmanager.yml");
    let receivers = list(&config, "receivers");
    let named: Vec<_> = receivers.iter().map(|receiver| str(receiver, "/name")).collect();
    let route = &config["route"];
    assert!(named.contains(&str(route, "/receiver")), "what fits no route goes nowhere");
    assert_eq!(list(route, "group_by"), ["alertname", "service_name"]);
    for alert in alerts() {
        let severity = format!("severity=\"{}\"", str(&alert, "/labels/severity"));
        let fits = |route: &&Value| list(route, "matchers").iter().any(|matcher| *matcher == severity);
        let route = list(route, "routes").iter().find(fits);
        let receiver = route.map(|route| str(route, "/receiver")).unwrap_or_default();
        assert!(named.contains(&receiver), "{severity} goes nowhere");
    }
    // An inhibition by labels that an alert lacks would silence what has nothing to do with it.
    let inhibits = list(&config, "inhibit_rules");
    assert!(!inhibits.is_empty());
    for rule in inhibits {
        assert!(list(rule, "equal").iter().any(|label| label == "service_name"), "{rule}");
        assert_eq!(
            list(rule, "target_matchers"),
            ["severity=\"ticket\""],
            "a page is never silenced: {rule}"
        );
    }
    for receiver in receivers {
        for of in receiver.as_object().expect("an object").values().filter_map(Value::as_array).flatten() {
            let fields = of.as_object().expect("an object");
            assert!(
                fields.keys().any(|field| field.ends_with("_file")),
                "{fields:?} reads its secret from no file"
            );
            for secret in ["routing_key", "service_key", "api_url", "url", "password"] {
                assert!(!fields.contains_key(secret), "{secret} is written down");
            }
            assert!(of.to_string().contains("runbook_url"), "it does not lead to the runbook");
        }
    }
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let mut seen: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for file in folder("observability/prometheus/tests", "yml") {
        let tests = yaml(&file);
        for test in list(&tests, "tests").iter().flat_map(|test| list(test, "promql_expr_test")) {
            let Some(rest) = str(test, "/expr").split_once("alertname=\"") else { continue };
            let name = rest.1.split('"').next().unwrap_or_default();
            let samples = list(test, "exp_samples");
            let silent = seen.entry(name.to_owned()).or_default();
            silent[0] |= samples.is_empty();
            for sample in samples {
                let severity = str(sample, "/labels").split("severity=\"").nth(1).unwrap_or_default();
                let severity = severity.split('"').next().unwrap_or_default();
                seen.entry(format!("{name} {severity}")).or_default()[1] = true;
            }
        }
    }
    for alert in alerts() {
        let (name, severity) = (str(&alert, "/alert"), str(&alert, "/labels/severity"));
        assert!(seen.get(name).is_some_and(|[silent, _]| *silent), "no test finds {name} silent");
        let fired = seen.get(&format!("{name} {severity}")).is_some_and(|[_, fired]| *fired);
        assert!(fired, "no test lets {name} fire as a {severity}");
    }
}

#[test]
fn every_service_is_missed() {
    let missing =
        alerts().into_iter().find(|alert| str(alert, "/alert") == "ServiceMissing").expect("the alert");
    let scraped = text("observability/prometheus/prometheus.yml");
    for service in services().iter().filter(|service| *service != "levqor-up") {
        assert!(str(&missing, "/expr").contains(&format!("\"{service}\"")), "nobody would miss {service}");
        let target = format!("\"{}:", service.trim_start_matches("levqor-"));
        assert!(scraped.contains(&target), "nobody scrapes {service}");
    }
}

#[test]
fn refused_handshakes_alert_for_every_service_and_not_for_the_public_port() {
    let refused =
        alerts().into_iter().find(|alert| str(alert, "/alert") == "HandshakesRefused").expect("the alert");
    let names = services();
    let names = names.iter().map(|name| name.trim_start_matches("levqor-"));
    let names: Vec<_> = names.filter(|name| !["gateway", "up"].contains(name)).collect();
    let selector = format!("service_name=~\"levqor-({})\"", names.join("|"));
    assert!(str(&refused, "/expr").contains(&selector), "the alert lacks {selector}");
}

#[test]
fn burn_rates_are_those_of_the_workbook() {
    let burns: BTreeSet<_> = alerts()
        .iter()
        .filter(|alert| str(alert, "/alert").ends_with("BudgetBurn"))
        .map(|alert| {
            let rate =
                str(alert, "/expr").split("group_left () ").nth(1).and_then(|rest| rest.split(' ').next());
            [str(alert, "/labels/severity"), str(alert, "/labels/window"), rate.unwrap_or_default()]
                .map(str::to_owned)
        })
        .collect();
    let expected = [["page", "1h", "14.4"], ["page", "6h", "6"], ["ticket", "3d", "1"]];
    assert_eq!(burns, expected.map(|burn| burn.map(str::to_owned)).into());
}
