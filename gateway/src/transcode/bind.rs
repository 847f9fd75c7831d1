//! Builds the message from an HTTP request: from the body, then the path, then the query. Each field may be in one of them only.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use super::{
    escape,
    findings::{self, Findings},
    read,
    route::{BodyRule, Found, Route},
    scalar,
};
use crate::problem::Problem;

/// A query with more parameters is refused.
const MOST_PARAMETERS: usize = 256;
/// A parameter that names a field nested deeper is refused.
const DEEPEST: usize = 16;

/// Builds the message. `body` is empty if the request has none.
pub(crate) fn request(
    found: &Found<'_, '_>,
    query: Option<&str>,
    body: &[u8],
) -> Result<DynamicMessage, Problem> {
    let route = found.route;
    let mut findings = Findings::default();
    let mut message = read_body(route, body, &mut findings)?;
    for (variable, text) in found.values() {
        let text = text.map_err(|_| Problem::malformed("the path is not valid percent-encoding of UTF-8"))?;
        set(&mut message, &variable.fields, &variable.name, &text, &mut findings);
    }
    if let Some(query) = query {
        read_query(route, query, &mut message, &mut findings)?;
    }
    findings.finish().map_err(Problem::invalid)?;
    Ok(message)
}

fn read_body(route: &Route, body: &[u8], findings: &mut Findings) -> Result<DynamicMessage, Problem> {
    match &route.body {
        BodyRule::All if !body.is_empty() => read::message(&route.input, &route.variables, body, findings),
        BodyRule::Field(field) if !body.is_empty() => {
            let mut message = DynamicMessage::new(route.input.clone());
            if let Some(value) = read::field(field, &route.variables, body, findings)? {
                message.set_field(field, value);
            }
            Ok(message)
        }
        BodyRule::None | BodyRule::All | BodyRule::Field(_) | BodyRule::Upload(_) | BodyRule::Form(_) => {
            Ok(DynamicMessage::new(route.input.clone()))
        }
    }
}

fn read_query(
    route: &Route,
    query: &str,
    message: &mut DynamicMessage,
    findings: &mut Findings,
) -> Result<(), Problem> {
    let undecodable = |_| Problem::malformed("the query is not valid percent-encoding of UTF-8");
    let mut seen: Vec<String> = Vec::new();
    for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= MOST_PARAMETERS {
            return Err(Problem::malformed("the query has too many parameters"));
        }
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let name = escape::decode_query(name).map_err(undecodable)?;
        let text = escape::decode_query(text).map_err(undecodable)?;
        let fields = match parameter(route, &name) {
            Ok(fields) => fields,
            Err(problem) => {
                findings.add(name, problem);
                continue;
            }
        };
        let full_name = fields.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".");
        let repeated = fields.last().is_some_and(FieldDescriptor::is_list);
        if !repeated && seen.contains(&full_name) {
            findings.add(full_name, "is given twice");
            continue;
        }
        set(message, &fields, &full_name, &text, findings);
        seen.push(full_name);
    }
    Ok(())
}

/// The fields in the path of a parameter, or why it cannot be a parameter of this route. `order.item.count` has three fields; the
/// last one is set.
fn parameter(route: &Route, name: &str) -> Result<Vec<FieldDescriptor>, &'static str> {
    if matches!(route.body, BodyRule::All) {
        return Err("is not a parameter: the fields of this request belong in its body");
    }
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    let mut within: Option<MessageDescriptor> = Some(route.input.clone());
    for part in name.split('.') {
        if fields.len() >= DEEPEST {
            return Err("is nested too deeply");
        }
        let message = within.take().ok_or("is not a parameter")?;
        let field = findings::field_by_either_name(&message, part).ok_or("is not a parameter")?;
        if !field.is_list() && !field.is_map() {
            within =
                field.kind().as_message().filter(|inner| inner.package_name() != "google.protobuf").cloned();
        }
        fields.push(field);
    }
    let same = |a: &FieldDescriptor, b: &FieldDescriptor| a.number() == b.number();
    let taken = route.variables.iter().any(|variable| {
        variable.fields.len() == fields.len() && variable.fields.iter().zip(&fields).all(|(a, b)| same(a, b))
    });
    if taken {
        return Err("is set by the path");
    }
    match (&route.body, fields.first()) {
        (BodyRule::Field(body) | BodyRule::Upload(body) | BodyRule::Form(body), Some(first))
            if same(body, first) =>
        {
            Err("belongs in the body")
        }
        _ => Ok(fields),
    }
}

/// Sets a field from text, or adds a violation.
fn set(
    message: &mut DynamicMessage,
    fields: &[FieldDescriptor],
    full_name: &str,
    text: &str,
    findings: &mut Findings,
) {
    let Some((field, outer)) = fields.split_last() else { return };
    let mut target = message;
    for step in outer {
        if let Some(problem) = findings::other_of_oneof(target, step) {
            return findings.add(full_name, problem);
        }
        match target.get_field_mut(step) {
            Value::Message(inner) => target = inner,
            // `parameter` and the check of the route make sure that all fields before the last one are messages.
            _ => return findings.add(full_name, "is not a parameter"),
        }
    }
    if let Some(problem) = findings::other_of_oneof(target, field) {
        return findings.add(full_name, problem);
    }
    if field.is_map() || scalar::is_object(&field.kind()) {
        return findings.add(full_name, "is an object, and cannot be given as a parameter");
    }
    match scalar::from_parameter(&field.kind(), text) {
        Err(expected) => findings.add(full_name, expected),
        Ok(value) if field.is_list() => {
            if let Value::List(values) = target.get_field_mut(field) {
                values.push(value);
            }
        }
        Ok(value) => target.set_field(field, value),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::transcode::fixture::SHOP;

    /// Text that is often enough like a query to pass the first check.
    fn query() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            "(filter|inner|shop|text|colour|sizes|since|within|read_mask|cursor|labels|extra|shops|person)",
            "[a-z_.%+=$&]{0,8}",
            any::<String>(),
        ];
        let value = prop_oneof!["[0-9eE.+-]{0,20}", "%[0-9a-fA-F]{0,2}", "[A-Z_]{0,12}", any::<String>()];
        let pair = (prop::collection::vec(name, 1..4), value)
            .prop_map(|(path, value)| format!("{}={value}", path.join(".")));
        prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
    }

    fn json() -> impl Strategy<Value = String> {
        let name = "(order|items|itemId|count|price|minor_units|by_name|notes|extra|detail|total|blob|due_time|x|@type)";
        let leaf = prop_oneof![
            Just("null".to_owned()),
            "-?[0-9]{1,20}(\\.[0-9])?(e-?[0-9]{1,3})?",
            "\"[a-zA-Z0-9:.TZs+/=-]{0,24}\"",
            Just("\"\\u0000\"".to_owned()),
        ];
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| format!("[{}]", values.join(","))),
                prop::collection::vec((name, inner), 0..5).prop_map(|fields| {
                    let fields: Vec<_> =
                        fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_query_causes_a_panic(query in query(), path in "/shop/v1/items(/[^/]{0,6})?") {
            if let Ok(found) = SHOP.find(&Method::GET, &path) {
                let _ = request(&found, Some(&query), b"");
            }
        }

        #[test]
        fn no_body_causes_a_panic(body in prop_oneof![json(), any::<String>()], raw in any::<Vec<u8>>()) {
            let create = SHOP.find(&Method::POST, "/shop/v1/orders").map_err(|_| "no route").expect("a route");
            let update = SHOP.find(&Method::PATCH, "/shop/v1/orders/o").map_err(|_| "no route").expect("a route");
            for found in [create, update] {
                let _ = request(&found, None, body.as_bytes());
                let _ = request(&found, None, &raw);
            }
        }

        #[test]
        fn a_message_that_was_read_is_written_and_read_again(body in json()) {
            let found = SHOP.find(&Method::POST, "/shop/v1/orders").map_err(|_| "no route").expect("a route");
            if let Ok(message) = request(&found, None, body.as_bytes()) {
                let said = crate::transcode::write::to_json(&message, None).expect("an answer");
                let again = request(&found, None, &said).map_err(|problem| format!("{problem:?}")).expect("understood");
                // Compared as texts: a recursive message cannot be printed, and equal messages may differ in their bytes.
                prop_assert_eq!(crate::transcode::write::to_json(&again, None).expect("an answer"), said);
            }
        }
    }
}
