//! The dashboards: their queries name metrics that exist, their data sources are provisioned, and their durations have exemplars.

use std::collections::BTreeSet;

use super::{
    files::{dashboards, list, queries, str, yaml},
    queries::check,
    rules::catalogue,
};

#[test]
fn every_query_names_metrics_that_exist() {
    let catalogue = catalogue();
    for dashboard in dashboards() {
        let queries = queries(&dashboard);
        assert!(queries.len() > 5, "{} has too few queries", str(&dashboard, "/uid"));
        for query in queries {
            check(&query, &catalogue);
        }
        for variable in list(dashboard.get("templating").expect("templating"), "list") {
            let definition = str(variable, "/definition");
            let inner = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = inner.and_then(|inner| inner.split_once(", ")).expect(definition);
            check(&format!("sum by ({label}) ({series})"), &catalogue);
        }
    }
}

#[test]
fn legends_name_labels_that_the_answer_has() {
    let catalogue = catalogue();
    for dashboard in dashboards() {
        for target in list(&dashboard, "panels").iter().flat_map(|panel| list(panel, "targets")) {
            let query = str(target, "/expr").replace("$__rate_interval", "1m");
            let labels = check(&query.replace("=\"$service\"", "=~\".+\""), &catalogue);
            for rest in str(target, "/legendFormat").split("{{").skip(1) {
                let label = rest.split("}}").next().unwrap_or_default();
                assert!(labels.contains(label), "{label} is not in the answer to {query}");
            }
        }
    }
}

#[test]
fn dashboards_are_laid_out_and_read_from_sources_that_are_provisioned() {
    let provisioned = yaml("observability/grafana/provisioning/datasources/levqor.yml");
    let sources = list(&provisioned, "datasources");
    let uids: Vec<_> = sources.iter().map(|source| str(source, "/uid")).collect();
    let exemplars = &sources[0]["jsonData"]["exemplarTraceIdDestinations"][0];
    assert_eq!(str(exemplars, "/name"), "trace_id", "as the mesh labels its exemplars");
    assert!(uids.contains(&str(exemplars, "/datasourceUid")));
    let mut boards = BTreeSet::new();
    for dashboard in dashboards() {
        let uid = str(&dashboard, "/uid").to_owned();
        let panels = list(&dashboard, "panels");
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
        assert_eq!(ids.len(), panels.len(), "{uid}: two panels have one id");
        let mut cells = BTreeSet::new();
        for panel in panels {
            let title = str(panel, "/title");
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().expect("a number"));
            assert!(x + w <= 24, "{uid}: {title} is too wide");
            let free = (x..x + w).all(|x| (y..y + h).all(|y| cells.insert((x, y))));
            assert!(free, "{uid}: {title} lies on another panel");
            for target in list(panel, "targets") {
                assert!(
                    uids.contains(&str(target, "/datasource/uid")),
                    "{uid}: {title} has an unknown data source"
                );
            }
        }
        assert!(boards.insert(uid.clone()), "two dashboards are {uid}");
    }
}

#[test]
fn panels_of_traced_durations_show_exemplars() {
    let mut seen = 0;
    for dashboard in dashboards() {
        for panel in list(&dashboard, "panels") {
            let targets = list(panel, "targets");
            let traced =
                |query: &str| query.contains("_call_duration_") || query.contains("_request_duration_");
            let timing =
                targets.iter().any(|of| str(of, "/expr").contains("quantile") && traced(str(of, "/expr")));
            if timing {
                seen += 1;
                let shows = targets.iter().any(|target| target["exemplar"] == true);
                assert!(shows, "{}: {} shows no exemplars", str(&dashboard, "/uid"), str(panel, "/title"));
            }
        }
    }
    assert!(seen > 5, "only {seen} panels show durations");
}
