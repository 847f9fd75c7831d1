//! `levqor dead-letters` and `levqor replay`: the commands of on-call engineers for failed work.

use std::fmt::Write;

use anyhow::bail;
use levqor_runtime::{config::Env, context::Role};
use serde_json::{Value, json};

use crate::{cli::Replay, client::Client, output};

/// A list of items that wait for a person.
struct Waiting {
    path: String,
    filter: (&'static str, &'static str),
    /// The name of the list in the gateway's answer.
    name: &'static str,
    /// The kind of the items, and how a person handles them.
    heading: String,
    line: fn(&Value) -> String,
}

/// Lists everything that waits for a person: dead deferred calls of every service, quarantined events, and mails in doubt. If one
/// list cannot be read, the other lists are still printed.
pub(crate) async fn dead_letters(env: &Env) -> anyhow::Result<()> {
    let client = Client::connect(env, Role::Admin).await?;
    let (mut text, mut failed) = (String::new(), Vec::new());
    for waiting in everything() {
        match client.list(&waiting.path, waiting.filter, waiting.name).await {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}:", waiting.heading);
                for entry in &entries {
                    let _ = writeln!(text, "  {}", (waiting.line)(entry));
                }
            }
            Err(error) => failed.push(format!("{}: {error:#}", waiting.path)),
        }
    }
    if text.is_empty() && failed.is_empty() {
        text.push_str("no dead deferred calls, no quarantined events, no mails in doubt");
    }
    if !text.is_empty() {
        output::lines(&text)?;
    }
    if failed.is_empty() { Ok(()) } else { bail!("not everything could be listed: {}", failed.join("; ")) }
}

fn everything() -> Vec<Waiting> {
    let mut all: Vec<_> = levqor_gateway::methods()
        .services()
        .iter()
        .map(|service| Waiting {
            path: format!("/v1/services/{service}/deferred-calls"),
            filter: ("state", "STATE_DEAD"),
            name: "deferred_calls",
            heading: format!(
                "dead deferred calls of {service} (fix the cause, then run `levqor replay call {service} <id>`)"
            ),
            line: |call| {
                let attempts = call.get("attempts").unwrap_or(&Value::Null);
                format!(
                    "{} {} after {attempts} tries since {}: {}",
                    field(call, "deferred_call_id"),
                    field(call, "rpc"),
                    field(call, "create_time"),
                    field(call, "failure"),
                )
            },
        })
        .collect();
    all.push(Waiting {
        path: "/v1/stripe-events".to_owned(),
        filter: ("state", "STATE_QUARANTINED"),
        name: "stripe_events",
        heading: "quarantined Stripe events (fix the cause, then run `levqor replay event <id>`)".to_owned(),
        line: |event| event_line(event, "event_id"),
    });
    all.push(Waiting {
        path: "/v1/provider-events".to_owned(),
        filter: ("state", "STATE_QUARANTINED"),
        name: "provider_events",
        heading: "quarantined events of the mail provider (fix the cause, then replay the dead ApplyProviderEvent call of \
                  each event)"
            .to_owned(),
        line: |event| event_line(event, "provider_event_id"),
    });
    all.push(Waiting {
        path: "/v1/messages".to_owned(),
        filter: ("state", "STATE_IN_DOUBT"),
        name: "messages",
        heading: "mails in doubt (look for them at the provider, then record whether each was sent: \
                  POST /v1/messages/<id>:resolve)"
            .to_owned(),
        // The recipient is personal, so it is not printed. GET /v1/messages/<id> shows it to staff.
        line: |mail| {
            format!(
                "{} {} about {} since {}: {}",
                field(mail, "message_id"),
                field(mail, "template"),
                field(mail, "about"),
                field(mail, "create_time"),
                field(mail, "doubt"),
            )
        },
    });
    all
}

fn event_line(event: &Value, id: &str) -> String {
    format!(
        "{} {} received {}: {}",
        field(event, id),
        field(event, "type"),
        field(event, "receive_time"),
        field(event, "failure"),
    )
}

fn field<'v>(of: &'v Value, name: &str) -> &'v str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Replays an event or a deferred call.
pub(crate) async fn replay(env: &Env, what: Replay) -> anyhow::Result<()> {
    let client = Client::connect(env, Role::Admin).await?;
    let path = match what {
        Replay::Event { event_id } => format!("/v1/stripe-events/{event_id}:replay"),
        Replay::Call { service, deferred_call_id } => {
            format!("/v1/services/{service}/deferred-calls/{deferred_call_id}:replay")
        }
    };
    let answer = client.post(&path, &json!({})).await?;
    output::lines(&serde_json::to_string_pretty(&answer)?)
}
