//! All metrics that a query can name: those that the mesh exports, by its own definitions, and those that rules record.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::{
    metrics::{self, Definition, Values},
    refusals, tls, webhook,
};

use crate::services;

/// Labels with the values that they can have, where those are known.
pub(crate) type Labels = BTreeMap<String, Option<Vec<String>>>;

/// Series by name.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue(BTreeMap<String, Labels>);

/// Every definition of the mesh.
pub(crate) fn definitions() -> Vec<&'static Definition> {
    let chassis = [metrics::chassis::ALL, refusals::METRICS, tls::METRICS, webhook::METRICS];
    let chassis = chassis.into_iter().chain([levqor_gateway::metrics::ALL]);
    let of_services = services::ALL.iter().flat_map(|service| service.metrics());
    chassis.flatten().chain(of_services).collect()
}

/// The name of a label in Prometheus.
pub(crate) fn label(attribute: &str) -> String {
    attribute.replace('.', "_")
}

/// Every service that shows metrics, as it calls itself.
pub(crate) fn services() -> Vec<String> {
    let names = levqor_gateway::methods().services().iter().map(String::as_str).chain(["gateway", "up"]);
    names.map(|name| format!("levqor-{name}")).collect()
}

impl Catalogue {
    /// The series that the mesh exports, and those that Prometheus adds.
    pub(crate) fn exported() -> Self {
        let mut all = BTreeMap::new();
        for definition in definitions() {
            for series in definition.series() {
                let mut labels = labels(definition);
                if series.ends_with("_bucket") {
                    let bounds = definition.buckets.iter().map(|bound| format!("{bound:?}"));
                    labels.insert("le".to_owned(), Some(bounds.chain(["+Inf".to_owned()]).collect()));
                }
                all.insert(series, labels);
            }
        }
        let target = ["job", "instance"].map(|name| (name.to_owned(), None));
        let resource = ["service_version", "service_namespace", "service_instance_id"];
        let resource = resource.into_iter().chain(["deployment_environment_name"]);
        let info = resource.map(|name| (name.to_owned(), None)).chain(target.clone());
        let service = ("service_name".to_owned(), Some(services()));
        all.insert("target_info".to_owned(), info.chain([service]).collect());
        all.insert("up".to_owned(), target.into());
        let alert = ["alertname", "alertstate", "severity"].map(|name| (name.to_owned(), None));
        all.insert("ALERTS".to_owned(), alert.into());
        Self(all)
    }

    /// Adds the series that a rule records.
    pub(crate) fn record(&mut self, name: &str, labels: impl IntoIterator<Item = String>) {
        let recorded = self.0.entry(name.to_owned()).or_default();
        recorded.extend(labels.into_iter().map(|label| (label, None)));
    }

    /// The labels of a series; none if there is no such series.
    pub(crate) fn labels(&self, series: &str) -> Option<&Labels> {
        self.0.get(series)
    }
}

fn labels(definition: &Definition) -> Labels {
    let own = definition.attributes.iter().map(|attribute| {
        let values = match attribute.values {
            Values::OneOf(values) => Some(values.iter().map(|value| (*value).to_owned()).collect()),
            Values::Known(_) if attribute.key == "rpc.method" => Some(rpcs()),
            Values::Known(_) => None,
        };
        (label(attribute.key), values)
    });
    let added = [("service_name".to_owned(), Some(services()))];
    let target = ["job", "instance"].map(|name| (name.to_owned(), None));
    own.chain(added).chain(target).collect()
}

fn rpcs() -> Vec<String> {
    let names: BTreeSet<_> = levqor_gateway::methods().iter().map(|method| method.rpc.clone()).collect();
    names.into_iter().chain(["_OTHER".to_owned()]).collect()
}
