//! `GetCopyPage`: shows the button that sends a code for a copy. Mail programs and their guards follow links by themselves, so this
//! page changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::GetCopyPageRequest;
use levqor_runtime::context::Ctx;

use crate::{Compliance, domain::export::LinkToken, error::Error};

pub(super) async fn get_copy_page(
    compliance: &Compliance,
    _: Ctx,
    request: GetCopyPageRequest,
) -> Result<HttpBody, Error> {
    let token = token(&request.link_token)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    compliance.linked(&mut conn, &token).await?;
    compliance.pages.copy(&token)
}

/// The token of a link. A visitor with a cut-off link learns the same as one with an old link.
pub(super) fn token(text: &str) -> Result<LinkToken, Error> {
    text.parse().map_err(|_| Error::LinkInvalid)
}
