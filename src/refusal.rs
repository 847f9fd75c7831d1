//! Describes the gateway's refusal to the person at the terminal.

use std::fmt::Write;

use reqwest::StatusCode;
use serde_json::Value;

/// The status, the problem's text, and each invalid field, one per line.
pub(crate) fn words(status: StatusCode, problem: &Value) -> String {
    let field = |name: &str| problem.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut text = format!("the gateway answered {status}: {}", field("detail").unwrap_or("no detail"));
    let errors = problem.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for error in errors {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}: {}", part("field"), part("description"));
    }
    let names = [("reason", field("reason")), ("request", field("request_id")), ("trace", field("trace_id"))];
    let names = names.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        let _ = write!(text, "\n  ({names})");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let problem = json!({
            "detail": "the request is not valid", "reason": "INVALID_REQUEST", "request_id": "r1",
            "errors": [{"field": "event_id", "description": "expected an id that begins with evt_"},
                       {"field": "reason", "description": "is empty"}],
        });
        assert_eq!(
            words(StatusCode::BAD_REQUEST, &problem),
            "the gateway answered 400 Bad Request: the request is not valid\
             \n  event_id: expected an id that begins with evt_\
             \n  reason: is empty\
             \n  (reason INVALID_REQUEST, request r1)"
        );
    }

    #[test]
    fn an_answer_that_is_not_a_problem_document_is_described_too() {
        for answer in [json!(null), json!({"errors": 7}), json!([])] {
            let words = words(StatusCode::BAD_GATEWAY, &answer);
            assert_eq!(words, "the gateway answered 502 Bad Gateway: no detail");
        }
    }
}
