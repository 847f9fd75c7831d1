//! `AnswerSurvey`: the first answer counts, staff see it on the ticket, and the customer does not.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_support::v1::AnswerSurveyRequest;
use levqor_runtime::testing::{Caller, reason, refused, violated};

use super::get_survey::token_of;
use crate::bench::{Bench, ada};

impl Bench {
    /// Sends the form of a survey, as a browser does.
    pub(crate) async fn answer_survey(&self, token: &str, form: &str) -> Result<String, tonic::Status> {
        let form = HttpBody {
            content_type: "application/x-www-form-urlencoded".to_owned(),
            data: form.as_bytes().to_vec(),
            extensions: Vec::new(),
        };
        let request = AnswerSurveyRequest { token: token.to_owned(), form: Some(form) };
        let page = self.surveys().answer_survey(Caller::anonymous().request(request)).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }
}

#[tokio::test]
async fn the_first_answer_counts_and_staff_see_it_on_the_ticket() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    bench.solve(&Caller::staff(), &id).await.expect("solved");
    let token = token_of(bench.survey_links().await[0].as_deref().expect("a link"));
    for (form, fields) in [
        ("", &["form.score"][..]),
        ("score=6", &["form.score"]),
        (&format!("score=1&comment={}", "x".repeat(2_001)), &["form.comment"]),
    ] {
        assert_eq!(violated(&refused(bench.answer_survey(&token, form).await)), fields, "{form}");
    }
    assert!(bench.shown(&Caller::staff(), &id).await.expect("shown").survey.is_none());
    let page = bench.answer_survey(&token, "score=5&comment=Thank+you+%F0%9F%99%8F").await.expect("answered");
    assert!(page.contains("Thank you"), "{page}");
    // A second answer changes nothing.
    assert_eq!(bench.answer_survey(&token, "score=1&comment=No").await.expect("a page"), page);
    assert_eq!(bench.survey_page(&token).await.expect("a page"), page);
    let survey = bench.shown(&Caller::staff(), &id).await.expect("shown").survey.expect("an answer");
    assert_eq!((survey.score, survey.comment.as_str()), (5, "Thank you 🙏"));
    assert!(survey.answer_time.is_some());
    assert!(bench.shown(&ada(), &id).await.expect("hers").survey.is_none());
    let nobodys = bench.answer_survey(&"ab".repeat(32), "score=5").await;
    assert_eq!(reason(&refused(nobodys)), "LINK_NOT_VALID");
}

#[tokio::test]
async fn the_answers_are_a_figure_in_the_operators_report() {
    use levqor_runtime::{
        digest::{Period, Report},
        service::Service,
    };

    let bench = Bench::start().await;
    for form in ["score=5", "score=4", "score=4"] {
        let id = bench.ticket(&ada(), "Help").await.ticket_id;
        bench.advance(chrono::TimeDelta::minutes(1)).await;
        bench.solve(&Caller::staff(), &id).await.expect("solved");
        let links = bench.survey_links().await;
        for link in links.into_iter().flatten() {
            // Only the new one is not answered yet.
            bench.answer_survey(&token_of(&link), form).await.expect("a page");
        }
    }
    let mut conn = bench.db.acquire().await.expect("a connection");
    let end = levqor_runtime::db::now(&mut conn).await.expect("now") + chrono::TimeDelta::hours(1);
    let period = Period { report: Report::WeeklyPulse, begin: end - chrono::TimeDelta::days(7), end };
    let lines = bench.service.running.service.digest(&mut conn, &period).await.expect("lines");
    assert!(
        lines.iter().any(|line| line == "3 customers said how satisfied they are: 4.3 of 5"),
        "{lines:?}"
    );
}
