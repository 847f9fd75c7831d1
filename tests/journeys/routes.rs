//! The REST routes of RPCs, as their protos declare them.

use levqor_runtime::access::Method;
use prost_reflect::Value;

/// The REST routes of an RPC: method and path, with its variables.
pub(crate) fn templates(method: &Method) -> Vec<(reqwest::Method, String)> {
    let pool = levqor_gateway::methods().pool();
    let http = pool.get_extension_by_name("google.api.http").expect("the option");
    let options = method.descriptor.options();
    if !options.has_extension(&http) {
        return Vec::new();
    }
    let rule = options.get_extension(&http).into_owned();
    let Value::Message(rule) = rule else { panic!("a rule") };
    let routes = ["get", "post", "put", "patch", "delete"].into_iter().filter_map(|verb| {
        let path = rule.get_field_by_name(verb)?.as_str()?.to_owned();
        (!path.is_empty()).then(|| (verb.to_uppercase().parse().expect("verb"), path))
    });
    routes.collect()
}

/// The same, each variable filled with something that fits.
pub(crate) fn routes(method: &Method) -> Vec<(reqwest::Method, String)> {
    templates(method).into_iter().map(|(verb, template)| (verb, fill(&template))).collect()
}

fn fill(template: &str) -> String {
    let mut path = String::new();
    for part in template.split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some("service") => path.push_str("billing"),
            Some("event_id") => path.push_str("evt_none"),
            Some(_) => path.push_str("01a20c4a-10c4-7231-8b94-82f5e463ad18"),
            None => path.push_str(part.trim_end_matches('{')),
        }
    }
    path
}
