//! `GetSurvey`: the link of the mail shows the question, without a login and without a script.

use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::{GetSurveyRequest, survey_service_client::SurveyServiceClient};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, reason, refused},
};

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn surveys(&self) -> SurveyServiceClient<Peer> {
        SurveyServiceClient::new(self.service.channel())
    }

    /// The links of the surveys in the mails so far, the oldest first.
    pub(crate) async fn survey_links(&self) -> Vec<Option<String>> {
        let mut solved: Vec<_> = self
            .mails()
            .await
            .into_iter()
            .filter_map(|mail| match mail.content {
                Some(Content::TicketSolved(solved)) => Some((mail.about, solved.survey_link)),
                _ => None,
            })
            .collect();
        solved.sort();
        solved.into_iter().map(|(_, link)| link).collect()
    }

    /// The page of a survey.
    pub(crate) async fn survey_page(&self, token: &str) -> Result<String, tonic::Status> {
        let request = Caller::anonymous().request(GetSurveyRequest { token: token.to_owned() });
        let page = self.surveys().get_survey(request).await?.into_inner();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        Ok(String::from_utf8(page.data).expect("text"))
    }
}

/// The token of a link.
pub(crate) fn token_of(link: &str) -> String {
    link.rsplit('/').next().expect("a token").to_owned()
}

#[tokio::test]
async fn the_mail_about_a_solution_has_a_link_to_one_question() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    bench.solve(&Caller::staff(), &id).await.expect("solved");
    let links = bench.survey_links().await;
    let [Some(link)] = links.as_slice() else { panic!("one mail with a link: {links:?}") };
    assert!(link.starts_with("https://api.levqor.ai/survey/"), "{link}");
    let page = bench.survey_page(&token_of(link)).await.expect("a page");
    assert!(page.contains("LQ-1001") && page.contains(r#"name="score" value="5""#), "{page}");
    assert!(!page.contains("ada@example.com") && !page.contains("<script"), "{page}");
    // The database has a hash only.
    assert_eq!(
        bench.count(&format!("surveys WHERE encode(token_hash, 'hex') = '{}'", token_of(link))).await,
        0
    );
    for token in ["", "x", &"ab".repeat(32)] {
        assert_eq!(reason(&refused(bench.survey_page(token).await)), "LINK_NOT_VALID", "{token}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_solved_again_has_a_new_survey_link_unless_it_was_answered() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    let solve_again = async || {
        bench.advance(chrono::TimeDelta::minutes(1)).await;
        bench.solve(&Caller::staff(), &id).await.expect("solved");
        let links = bench.survey_links().await;
        bench.reply(&ada(), &id, "It is broken again.").await.expect("reopened");
        links
    };
    solve_again().await;
    let links = solve_again().await;
    let [Some(first), Some(second)] = links.as_slice() else { panic!("two links: {links:?}") };
    assert_eq!(reason(&refused(bench.survey_page(&token_of(first)).await)), "LINK_NOT_VALID");
    bench.answer_survey(&token_of(second), "score=4").await.expect("answered");
    let links = solve_again().await;
    assert_eq!((links.len(), &links[2]), (3, &None), "{links:?}");
}
