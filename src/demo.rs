//! `levqor demo`: posts a signed sample checkout and shows its effects.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, bail};
use levqor_runtime::{clock::Clock, config::Env, context::Role, email::Email, id};
use serde_json::{Value, json};

use crate::{cli::DemoArguments, client::Client, output, state};

/// How long the mesh may take to become ready, and then to show the order and the mails.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The buyer in the sample. Mails to this address stay in the local mailbox.
const NOBODY: &str = "ada@example.com";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Posts a checkout that Stripe could have sent, and shows the order and the two mails.
pub(crate) async fn demo(env: &Env, arguments: &DemoArguments) -> anyhow::Result<()> {
    let buyer = arguments.email.as_deref().map(str::parse::<Email>).transpose();
    let buyer = buyer.context("--email is not an address")?;
    let client = Client::connect(env, Role::Staff).await?;
    wait_for("the mesh to be ready", async || Ok(client.is_ready().await.then_some(()))).await?;
    // A service that is still starting has not reported its state yet.
    let status = wait_for("notifications to say where mail goes", async || {
        let status = client.get("/v1/status", &[]).await?;
        Ok(status.pointer("/services/notifications/capabilities").is_some().then_some(status))
    })
    .await?;
    if refetches(&status) {
        bail!(
            "the mesh refetches from Stripe (STRIPE_SECRET_KEY is set), and Stripe does not know a made-up checkout"
        );
    }
    if buyer.is_none() && !keeps_mail(&status) {
        bail!(
            "the mesh sends real mail, and the demo's buyer is made up: give an address of your own, \
             `levqor demo --email you@example.org`, which gets the two mails"
        );
    }
    let buyer = buyer.as_ref().map_or(NOBODY, Email::as_str);
    let secret = state::secret(env, "STRIPE_WEBHOOK_SECRET")?;
    let name = id::request_id();
    let now = Clock::default().now().timestamp();
    let event = sample_event(&name, now, buyer).to_string();
    let answer = client.post_webhook(&sign(secret.as_bytes(), now, &event), event).await?;
    output::lines(&format!("Stripe's event, signed, was accepted:\n  {answer}\n"))?;

    if answer.get("state") == Some(&json!("IGNORED")) {
        bail!(
            "the mesh acts on events of live mode only, and a made-up checkout is of test mode: see LEVQOR_STRIPE_LIVEMODE"
        );
    }
    let session = session_id(&name);
    let order = wait_for("the order", async || {
        let page = client.get("/v1/orders", &[("stripe_checkout_session_id", &session)]).await?;
        Ok(page.pointer("/orders/0").cloned())
    })
    .await?;
    output::lines(&format!("The order:\n{}\n", serde_json::to_string_pretty(&order)?))?;

    let order_id = order.get("order_id").and_then(Value::as_str).context("the order has no id")?;
    let about = format!("order:{order_id}");
    let mails = wait_for("the two mails", async || {
        let page = client.get("/v1/messages", &[("about", &about), ("state", "STATE_SENT")]).await?;
        Ok(page.get("messages").and_then(Value::as_array).filter(|mails| mails.len() == 2).cloned())
    })
    .await?;
    for mail in mails.iter().rev() {
        show(&client, mail).await?;
    }
    output::lines("Post the event again, as often as you like: nothing will happen twice.")
}

async fn show(client: &Client, mail: &Value) -> anyhow::Result<()> {
    let id = mail.get("message_id").and_then(Value::as_str).context("the mail has no id")?;
    let whole = client.get(&format!("/v1/messages/{id}"), &[]).await?;
    let text = |pointer: &str| whole.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut shown = format!("A mail to {}: {}\n", text("/message/recipient"), text("/message/subject"));
    for line in text("/text").lines() {
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "  | {line}");
    }
    let _ = writeln!(shown, "  (as HTML: GET /v1/messages/{id}/preview)");
    output::lines(&format!("{shown}\n"))
}

/// Whether mail stays in the local mailbox. An unknown state counts as no.
fn keeps_mail(status: &Value) -> bool {
    let capabilities = status.pointer("/services/notifications/capabilities").and_then(Value::as_array);
    let mail = capabilities.into_iter().flatten().filter_map(|capability| {
        let name = capability.get("name")?.as_str()?;
        name.starts_with("mail_").then(|| (name, capability.get("state").and_then(Value::as_str)))
    });
    let mail: Vec<_> = mail.collect();
    !mail.is_empty()
        && mail.iter().all(|(name, state)| *state == Some(if *name == "mail_mailbox" { "ON" } else { "OFF" }))
}

fn refetches(status: &Value) -> bool {
    let capabilities = status.pointer("/services/billing/capabilities").and_then(Value::as_array);
    capabilities.into_iter().flatten().any(|capability| {
        capability.get("name") == Some(&json!("stripe_refetch"))
            && capability.get("state") != Some(&json!("OFF"))
    })
}

async fn wait_for<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let search = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late =
        || format!("waited {} s in vain for {what}; `levqor dead-letters` may say why", TIMEOUT.as_secs());
    tokio::time::timeout(TIMEOUT, search).await.with_context(late)?
}

fn session_id(name: &str) -> String {
    format!("cs_test_{name}")
}

/// A checkout of "done for you, professional", as Stripe describes it:
/// <https://docs.stripe.com/api/checkout/sessions/object>.
fn sample_event(name: &str, now: i64, buyer: &str) -> Value {
    json!({
        "id": format!("evt_{name}"),
        "object": "event",
        "api_version": "2026-09-30.endive",
        "created": now,
        "livemode": false,
        "type": "checkout.session.completed",
        "data": {"object": {
            "id": session_id(name),
            "object": "checkout.session",
            "mode": "payment",
            "status": "complete",
            "payment_status": "paid",
            "amount_subtotal": 24_900,
            "amount_total": 24_900,
            "currency": "gbp",
            "customer": null,
            "customer_email": null,
            "customer_details": {"email": buyer, "name": "Ada Lovelace"},
            "payment_intent": format!("pi_{name}"),
            "metadata": {"mode": "dfy", "plan": "professional"},
        }},
    })
}

/// Signs a body as Stripe does: <https://docs.stripe.com/webhooks#verify-manually>.
pub(crate) fn sign(key: &[u8], now: i64, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let tag = ring::hmac::sign(&key, format!("{now}.{body}").as_bytes());
    format!("t={now},v1={}", hex::encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_counts_as_kept_only_if_the_mesh_reports_it_for_every_provider() {
        let status = |states: &[(&str, &str)]| {
            let all: Vec<_> =
                states.iter().map(|(name, state)| json!({"name": name, "state": state})).collect();
            json!({"services": {"notifications": {"capabilities": all}}})
        };
        assert!(keeps_mail(&status(&[
            ("mail_mailbox", "ON"),
            ("mail_resend", "OFF"),
            ("resend_webhooks", "ON")
        ])));
        assert!(!keeps_mail(&status(&[("mail_mailbox", "OFF"), ("mail_resend", "ON")])));
        assert!(!keeps_mail(&status(&[("mail_mailbox", "OFF"), ("mail_resend", "FAILED")])));
        assert!(!keeps_mail(&status(&[("mail_mailbox", "ON"), ("mail_smtp", "ON")])));
        assert!(!keeps_mail(&status(&[])), "what is not known does not count");
    }
}
