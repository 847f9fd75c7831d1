//! Has texts of people screened for high-risk data before they are taken (`levqor_runtime::screening`).

use levqor_proto_law::v1::{ScreenTextRequest, law_service_client::LawServiceClient};
use levqor_runtime::{
    client::Peer,
    context::Ctx,
    screening::{self, Screened},
};
use tonic::Request;

use crate::{Billing, error::Error};

/// Refuses a text with a blocked term. `operators::screened` reports a warning about a text that is accepted. `purpose` is `intake`.
pub(crate) async fn check(
    billing: &Billing,
    ctx: &Ctx,
    purpose: &'static str,
    text: &str,
) -> Result<Screened, Error> {
    let request = ScreenTextRequest { text: text.to_owned(), purpose: purpose.to_owned() };
    let send = |channel: Peer, request: Request<ScreenTextRequest>| async move {
        let answer = LawServiceClient::new(channel).screen_text(request).await;
        answer.map(|answer| {
            let answer = answer.into_inner();
            Screened::of(answer.blocked, answer.findings.into_iter().map(|found| found.category))
        })
    };
    match screening::screen(&billing.chassis, &ctx.request_id, text, request, send).await {
        Screened::Blocked(_) => Err(Error::HighRiskData),
        taken @ (Screened::Clear | Screened::Warned(_) | Screened::Unanswered) => Ok(taken),
    }
}
