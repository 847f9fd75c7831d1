//! `levqor dead-letters` and `levqor replay`: what engineers on call do with what failed.

use std::fmt::Write;

use levqor_runtime::{access, config::Env, context::Role};
use serde_json::{Value, json};

use crate::{cli::Replay, client::Client, output};

/// Lists the dead deferred calls of every service.
pub(crate) async fn dead_letters(env: &Env) -> anyhow::Result<()> {
    let client = Client::new(env, Role::Admin)?;
    let mut text = String::new();
    for service in access::methods().services() {
        let mut page_token = String::new();
        loop {
            let path = format!("/v1/services/{service}/deferred-calls");
            let query = [("state", "STATE_DEAD"), ("page_token", page_token.as_str())];
            let page = client.get(&path, &query).await?;
            for call in page.get("deferred_calls").and_then(Value::as_array).into_iter().flatten() {
                let field = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{service} {} {} after {} tries since {}: {}",
                    field("deferred_call_id"),
                    field("rpc"),
                    call.get("attempts").unwrap_or(&Value::Null),
                    field("create_time"),
                    field("failure"),
                );
            }
            page_token =
                page.get("next_page_token").and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
            if page_token.is_empty() {
                break;
            }
        }
    }
    output::lines(if text.is_empty() { "no dead deferred calls" } else { &text })
}

/// Runs an event or a call again.
pub(crate) async fn replay(env: &Env, what: Replay) -> anyhow::Result<()> {
    let client = Client::new(env, Role::Admin)?;
    let path = match what {
        Replay::Event { event_id } => format!("/v1/stripe-events/{event_id}:replay"),
        Replay::Call { service, deferred_call_id } => {
            format!("/v1/services/{service}/deferred-calls/{deferred_call_id}:replay")
        }
    };
    let answer = client.post(&path, &json!({})).await?;
    output::lines(&serde_json::to_string_pretty(&answer)?)
}
