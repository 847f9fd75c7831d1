//! Has texts of people screened for high-risk data before they are taken (`levqor_runtime::screening`).

use levqor_proto_law::v1::{ScreenTextRequest, law_service_client::LawServiceClient};
use levqor_runtime::{client::Peer, context::Ctx, screening};
use tonic::Request;

use crate::{Support, error::Error};

/// Refuses a text that must not be taken. `purpose` is `chat`, `ticket` or `form`.
pub(crate) async fn check(
    support: &Support,
    ctx: &Ctx,
    purpose: &'static str,
    text: &str,
) -> Result<(), Error> {
    let request = ScreenTextRequest { text: text.to_owned(), purpose: purpose.to_owned() };
    let screen = |channel: Peer, request: Request<ScreenTextRequest>| async move {
        let screened = LawServiceClient::new(channel).screen_text(request).await;
        screened.map(|screened| screened.into_inner().blocked)
    };
    if screening::is_blocked(&support.chassis, &ctx.request_id, text, request, screen).await {
        return Err(Error::HighRiskData);
    }
    Ok(())
}
