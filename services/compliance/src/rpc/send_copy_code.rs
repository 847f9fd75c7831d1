//! `SendCopyCode`: the button of the page of a copy. `SendExportCode` does the work.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{SendCopyCodeRequest, SendExportCodeRequest};
use levqor_runtime::context::Ctx;

use super::{get_copy_page::token, send_export_code::send_export_code};
use crate::{Compliance, error::Error};

pub(super) async fn send_copy_code(
    compliance: &Compliance,
    ctx: Ctx,
    request: SendCopyCodeRequest,
) -> Result<HttpBody, Error> {
    let token = token(&request.link_token)?;
    send_export_code(compliance, ctx, SendExportCodeRequest { link_token: request.link_token }).await?;
    compliance.pages.download(&token, None)
}
