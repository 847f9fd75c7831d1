//! `RequestPrivacyCode`: the forms of the privacy page. It works without a `mutate` of its own: `CreateMailedDataRequest` does the work.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{
    ConsentPurpose, CreateMailedDataRequestRequest, ObjectionScope, RequestPrivacyCodeRequest, Right,
};
use levqor_runtime::context::Ctx;

use super::create_mailed_data_request::create_mailed_data_request;
use crate::{
    Compliance,
    domain::consent::Purpose,
    error::Error,
    forms::{Entered, Form},
};

/// The value of the box for all advertising by mail.
const ALL: &str = "ALL";

pub(super) async fn request_privacy_code(
    compliance: &Compliance,
    ctx: Ctx,
    request: RequestPrivacyCodeRequest,
) -> Result<HttpBody, Error> {
    let entered = Entered::from(&Form::read(request.form.as_ref())?);
    let right = Right::from_str_name(&entered.right).unwrap_or_default();
    let (shown_version, shown_text) = compliance.pages.shown(right)?;
    let asked = CreateMailedDataRequestRequest {
        email: entered.email.clone(),
        right: right.into(),
        corrected_name: String::new(),
        wrong_email: String::new(),
        objection_scope: ObjectionScope::from_str_name(&entered.objection_scope).unwrap_or_default().into(),
        objection_ends: entered.objection_ends,
        withdrawn: purposes(&entered.withdrawn),
        shown_version,
        shown_text,
    };
    match create_mailed_data_request(compliance, ctx, asked).await {
        Ok(made) => compliance.pages.code(&made.data_request_id, None),
        Err(Error::Invalid(invalid)) => compliance.pages.privacy_again(&entered, &invalid),
        Err(error) => Err(error),
    }
}

/// The purposes whose boxes are ticked. An unknown one is not set, and refused as such.
fn purposes(ticked: &[String]) -> Vec<i32> {
    if ticked.iter().any(|name| name == ALL) {
        return Purpose::all_of_mails().map(i32::from).collect();
    }
    ticked.iter().map(|name| ConsentPurpose::from_str_name(name).unwrap_or_default().into()).collect()
}
