//! `GetPrivacyPage`: shows which data is stored about people, their rights, and the form for a request. It looks nothing up.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::GetPrivacyPageRequest;
use levqor_runtime::context::Ctx;

use crate::{Compliance, error::Error};

pub(super) async fn get_privacy_page(
    compliance: &Compliance,
    _: Ctx,
    _: GetPrivacyPageRequest,
) -> Result<HttpBody, Error> {
    compliance.pages.privacy()
}
