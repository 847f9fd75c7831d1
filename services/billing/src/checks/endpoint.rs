//! Whether Stripe sends this mesh everything that has an effect: an enabled webhook endpoint with our URL, which subscribes to
//! every type of event that billing handles.

use std::sync::Arc;

use levqor_runtime::check::Finding;
use serde_json::Value;

use crate::{
    config::PageUrl,
    domain::stripe_event::EventObject,
    stripe::{FetchError, Stripe},
};

/// The check's finding.
pub(super) async fn find(stripe: Arc<Stripe>, url: Option<PageUrl>) -> Finding {
    let Some(url) = url else {
        return Finding::not_set(
            "LEVQOR_STRIPE_WEBHOOK_URL",
            "the URL of the webhook endpoint as it is registered at Stripe, https://…/webhooks/stripe",
        );
    };
    match stripe.webhook_endpoints().await {
        Ok(endpoints) => judge(&endpoints, url.as_str()),
        // Billing never needs this permission, so a restricted key without it is only a warning.
        Err(refused @ FetchError::NotAllowed(403)) => Finding::warning(format!(
            "{refused}: this key may not read the webhook endpoints, so whether Stripe sends everything is not known"
        )),
        Err(error) => Finding::failed(error.to_string()),
    }
}

fn judge(endpoints: &[Value], url: &str) -> Finding {
    let ours: Vec<_> = endpoints.iter().filter(|endpoint| endpoint["url"] == url).collect();
    if ours.is_empty() {
        return Finding::failed("Stripe has no webhook endpoint with the URL in LEVQOR_STRIPE_WEBHOOK_URL");
    }
    let enabled: Vec<_> = ours.iter().filter(|endpoint| endpoint["status"] == "enabled").collect();
    if enabled.is_empty() {
        return Finding::failed("the webhook endpoint is disabled at Stripe");
    }
    let subscribes = |name: &str| {
        enabled.iter().any(|endpoint| {
            let mut types = endpoint["enabled_events"].as_array().into_iter().flatten();
            types.any(|wanted| wanted == "*" || wanted == name)
        })
    };
    let missing: Vec<_> = EventObject::snapshot_types().filter(|name| !subscribes(name)).collect();
    if missing.is_empty() {
        let count = EventObject::snapshot_types().count();
        Finding::on(format!("enabled, and subscribed to all {count} types of events that have an effect"))
    } else {
        Finding::failed(format!("the webhook endpoint does not subscribe to {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const URL: &str = "https://levqor.example/webhooks/stripe";

    fn said(endpoints: &Value) -> String {
        format!("{:?}", judge(endpoints.as_array().expect("a list"), URL))
    }

    #[test]
    fn missing_subscriptions_of_the_endpoint_are_named() {
        let all: Vec<_> = EventObject::snapshot_types().collect();
        let endpoint =
            |status: &str, types: &[&str]| json!([{"url": URL, "status": status, "enabled_events": types}]);
        assert!(said(&endpoint("enabled", &all)).contains("subscribed to all"));
        assert!(said(&endpoint("enabled", &["*"])).contains("subscribed to all"));
        let most: Vec<_> = all.iter().copied().filter(|name| !name.starts_with("charge.dispute.c")).collect();
        let missing = said(&endpoint("enabled", &most));
        assert!(
            missing.contains("does not subscribe to charge.dispute.created, charge.dispute.closed"),
            "{missing}"
        );
        assert!(said(&endpoint("disabled", &["*"])).contains("is disabled"));
        assert!(
            said(&json!([{"url": "https://other.example", "status": "enabled"}]))
                .contains("no webhook endpoint")
        );
    }
}
