//! Webhooks: what vendors post to us goes as raw bytes to the service that can verify it.

mod stripe;

use axum::{Router, routing::post};

pub(crate) use self::stripe::Stripe;

/// The routes.
pub(crate) fn routes(stripe: Stripe) -> Router {
    Router::new()
        .route("/webhooks/stripe", post(stripe::ingest))
        // The path that the old website registered at Stripe.
        .route("/api/webhooks/stripe/checkout-completed", post(stripe::ingest))
        .with_state(std::sync::Arc::new(stripe))
}
