//! Texts of people are screened for high-risk data before they are taken. Compliance screens them. Without an answer in time the text
//! passes with a warning, so that nobody waits for it.

use std::time::Duration;

use tonic::{Request, Status};

use crate::{
    chassis::Chassis,
    client::{Outgoing, Peer},
};

/// The service that screens.
const COMPLIANCE: &str = "compliance";
/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether a text must not be taken. `screen` sends the request, which has the text, and says what compliance answered.
pub async fn is_blocked<R, F>(
    chassis: &Chassis,
    request_id: &str,
    text: &str,
    request: R,
    screen: impl FnOnce(Peer, Request<R>) -> F,
) -> bool
where
    F: Future<Output = Result<bool, Status>>,
{
    if text.trim().is_empty() {
        return false;
    }
    let answer = async {
        let channel = chassis.channels.get(COMPLIANCE)?;
        let token = chassis.tokens.mint(chassis.service, COMPLIANCE).ok()?;
        let outgoing =
            Outgoing { bearer: Some(&token), request_id, idempotency_key: None, timeout: PATIENCE };
        tokio::time::timeout(PATIENCE, screen(channel, outgoing.request(request))).await.ok()?.ok()
    };
    answer.await.unwrap_or_else(|| {
        tracing::warn!("a text was taken without the screen for high-risk data: no answer in time");
        false
    })
}
