//! Screens a text for high-risk data. Nothing of it is stored or logged.

use levqor_proto_law::v1::{ScreenTextRequest, ScreenTextResponse};
use levqor_runtime::context::Ctx;

use crate::{Compliance, error::Error};

pub(super) async fn screen_text(
    compliance: &Compliance,
    _: Ctx,
    request: ScreenTextRequest,
) -> Result<ScreenTextResponse, Error> {
    let found = compliance.screen.find(&request.text);
    if let Some(gravest) = found.iter().map(|term| term.severity).max() {
        let (severity, count) = (gravest.as_str(), found.len());
        tracing::info!(severity, count, "a text has terms of high-risk data");
    }
    let blocked = found.iter().any(|term| term.blocks);
    Ok(ScreenTextResponse { findings: found.into_iter().map(Into::into).collect(), blocked })
}
