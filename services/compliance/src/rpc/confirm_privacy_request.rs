//! `ConfirmPrivacyRequest`: the form for the code of a request. `ConfirmDataRequest` does the work, with `mutate`.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{ConfirmDataRequestRequest, ConfirmPrivacyRequestRequest};
use levqor_runtime::context::Ctx;

use super::confirm_data_request::confirm_data_request;
use crate::{Compliance, error::Error, forms::Form, pages::Mistake};

pub(super) async fn confirm_privacy_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: ConfirmPrivacyRequestRequest,
) -> Result<HttpBody, Error> {
    let form = Form::read(request.form.as_ref())?;
    let id = form.text("data_request_id");
    let asked =
        ConfirmDataRequestRequest { data_request_id: id.to_owned(), code: form.text("code").to_owned() };
    match confirm_data_request(compliance, ctx, asked).await {
        Ok(confirmed) => compliance.pages.confirmed(&confirmed.data_request.unwrap_or_default()),
        Err(error) => compliance.pages.code(id, Some(Mistake::of_code(error)?)),
    }
}
