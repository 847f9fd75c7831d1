//! `RequestPrivacyCode`: the form of the privacy page. It works without a `mutate` of its own: `CreateMailedDataRequest` does the work.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{CreateMailedDataRequestRequest, RequestPrivacyCodeRequest, Right};
use levqor_runtime::context::Ctx;

use super::create_mailed_data_request::create_mailed_data_request;
use crate::{Compliance, error::Error, forms::Form};

pub(super) async fn request_privacy_code(
    compliance: &Compliance,
    ctx: Ctx,
    request: RequestPrivacyCodeRequest,
) -> Result<HttpBody, Error> {
    let form = Form::read(request.form.as_ref())?;
    let (email, right) = (form.text("email"), form.text("right"));
    let asked = CreateMailedDataRequestRequest {
        email: email.to_owned(),
        right: Right::from_str_name(right).unwrap_or_default().into(),
        corrected_name: String::new(),
        wrong_email: String::new(),
    };
    match create_mailed_data_request(compliance, ctx, asked).await {
        Ok(made) => compliance.pages.code(&made.data_request_id, None),
        Err(Error::Invalid(_)) => compliance.pages.privacy_again(email, right),
        Err(error) => Err(error),
    }
}
