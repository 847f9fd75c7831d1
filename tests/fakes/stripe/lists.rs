//! Lists: filters, and pages by `limit`, `starting_after` and `ending_before`, newest first.

use serde_json::{Value, json};

use super::{failure::Failure, form};

/// A page of the given objects, newest first.
pub(super) fn page(found: Vec<Value>, params: &Value, url: &str) -> Result<Value, Failure> {
    let limit = match &params["limit"] {
        Value::Null => 10,
        given => form::int(given)
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| Failure::invalid("This value must be between 1 and 100.").at("limit"))?,
    };
    let position = |param: &str| {
        let Some(id) = form::text(params, param) else { return Ok(None) };
        let position = found.iter().position(|object| object["id"] == id);
        position.map(Some).ok_or_else(|| Failure::missing("object", id, param))
    };
    let (after, before) = (position("starting_after")?, position("ending_before")?);
    let (start, end, more) = match (after, before) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "You can only specify one of these parameters: starting_after, ending_before.",
            ));
        }
        (_, Some(before)) => {
            let start = before.saturating_sub(limit);
            (start, before, start > 0)
        }
        (after, None) => {
            let start = after.map_or(0, |after| after + 1);
            let end = (start + limit).min(found.len());
            (start, end, end < found.len())
        }
    };
    let data: Vec<_> = found.into_iter().skip(start).take(end - start).collect();
    Ok(json!({"object": "list", "data": data, "has_more": more, "url": url}))
}

/// Whether the time of an object matches the filter `created`, `created[gte]` and so on.
pub(super) fn in_time(created: i64, params: &Value) -> bool {
    let filter = &params["created"];
    let holds = |name: &str, holds: fn(i64, i64) -> bool| {
        form::int(&filter[name]).is_none_or(|at| holds(created, at))
    };
    form::int(filter).is_none_or(|at| created == at)
        && holds("gt", |created, at| created > at)
        && holds("gte", |created, at| created >= at)
        && holds("lt", |created, at| created < at)
        && holds("lte", |created, at| created <= at)
}

/// Whether a field of an object equals the parameter with the same name. True if there is no such parameter.
pub(super) fn matches(object: &Value, params: &Value, field: &str) -> bool {
    let own = match field {
        "subscription" if object["object"] == "invoice" => {
            &object["parent"]["subscription_details"]["subscription"]
        }
        _ => &object[field],
    };
    match &params[field] {
        Value::Null => true,
        given => {
            form::text(params, field).is_some_and(|wanted| own == wanted)
                || own.is_boolean() && form::flag(given) == own.as_bool()
        }
    }
}
