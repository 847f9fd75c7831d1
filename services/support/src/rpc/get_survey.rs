//! Gets the page of a survey, for everybody who has its link. It changes nothing.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::GetSurveyRequest;
use levqor_runtime::context::Ctx;

use crate::{
    Support,
    domain::secret_token::{NotAToken, SecretToken},
    error::Error,
    store::surveys,
};

pub(super) async fn get_survey(
    support: &Support,
    _: Ctx,
    request: GetSurveyRequest,
) -> Result<HttpBody, Error> {
    let token: SecretToken = request.token.parse()?;
    let mut conn = support.chassis.db.acquire().await?;
    let survey = surveys::get(&mut conn, &token).await?.ok_or(NotAToken)?;
    if survey.is_answered {
        support.pages.survey_answered()
    } else {
        support.pages.survey(survey.ticket_number)
    }
}
