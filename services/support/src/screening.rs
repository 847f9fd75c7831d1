//! Has texts of people screened for high-risk data before they are taken (`levqor_runtime::screening`).

use levqor_proto_law::v1::{ScreenTextRequest, law_service_client::LawServiceClient};
use levqor_runtime::{
    client::Peer,
    context::Ctx,
    screening::{self, Screened},
};
use tonic::Request;

use crate::{Support, domain::step::Step, error::Error};

/// Refuses a text with a blocked term. `operators::screened` reports a warning about a text that is accepted. `purpose` is `chat`, `ticket`
/// or `form`.
pub(crate) async fn check(
    support: &Support,
    ctx: &Ctx,
    purpose: &'static str,
    text: &str,
) -> Result<Screened, Error> {
    match screen(support, ctx, purpose, text).await {
        Screened::Blocked(_) => Err(Error::HighRiskData),
        taken @ (Screened::Clear | Screened::Warned(_) | Screened::Unanswered) => Ok(taken),
    }
}

/// Refuses a message to a conversation that must not be taken. A message that by itself hands the
/// conversation to a person is never refused.
pub(crate) async fn check_message(support: &Support, ctx: &Ctx, text: &str) -> Result<Screened, Error> {
    match support.signals.step(text, None) {
        Step::HandOff(_) => Ok(screen(support, ctx, "chat", text).await),
        Step::Acknowledge | Step::Apologise | Step::Search => check(support, ctx, "chat", text).await,
    }
}

/// Screens a text that is taken in any case.
pub(crate) async fn screen(support: &Support, ctx: &Ctx, purpose: &'static str, text: &str) -> Screened {
    let request = ScreenTextRequest { text: text.to_owned(), purpose: purpose.to_owned() };
    let send = |channel: Peer, request: Request<ScreenTextRequest>| async move {
        let answer = LawServiceClient::new(channel).screen_text(request).await;
        answer.map(|answer| {
            let answer = answer.into_inner();
            Screened::of(answer.blocked, answer.findings.into_iter().map(|found| found.category))
        })
    };
    screening::screen(&support.chassis, &ctx.request_id, text, request, send).await
}
