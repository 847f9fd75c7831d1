//! Answers a survey, for everybody who has its link. Only the first answer counts. After that, the page says thank you and nothing
//! changes.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::AnswerSurveyRequest;
use levqor_runtime::{
    context::Ctx,
    error::Invalid,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        secret_token::{NotAToken, SecretToken},
        survey::Answer,
    },
    error::Error,
    pages,
    store::surveys,
};

pub(super) async fn answer_survey(
    support: &Support,
    ctx: Ctx,
    request: AnswerSurveyRequest,
) -> Result<HttpBody, Error> {
    let token: SecretToken = request.token.parse()?;
    let answer = Answer::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let survey = surveys::lock(tx, &token).await?.ok_or(NotAToken)?;
        if !survey.is_answered {
            let now = tx.now().await?;
            surveys::answer(tx, survey.ticket_id, &answer, now).await?;
            let (metrics, score) = (support.metrics.clone(), answer.score);
            tx.after_commit(move || metrics.survey(score));
        }
        Ok(Done::unaudited(
            support.pages.survey_answered()?,
            "anybody may call this, and the row is the evidence",
        ))
    })
    .await
}

impl TryFrom<&AnswerSurveyRequest> for Answer {
    type Error = Invalid;

    fn try_from(request: &AnswerSurveyRequest) -> Result<Self, Invalid> {
        Self::of_form(pages::fields(request.form.as_ref())?.into_iter())
    }
}
