//! `CreateKickoffLead`: plan, description and tools are required; the other answers are stored with them.

use levqor_proto_support::v1::{CreateKickoffLeadRequest, ListLeadsRequest};
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::Bench;

#[tokio::test]
async fn a_kick_off_keeps_everything_that_was_said() {
    let bench = Bench::start().await;
    let form = CreateKickoffLeadRequest {
        form_token: bench.form_token().await,
        name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        plan: "Professional".to_owned(),
        workflow_description: "Build an integration.".to_owned(),
        tools: "Slack".to_owned(),
        preferred_date: "Monday".to_owned(),
        ..CreateKickoffLeadRequest::default()
    };
    let without = CreateKickoffLeadRequest { plan: " ".to_owned(), tools: String::new(), ..form.clone() };
    let status = refused(bench.leads().create_kickoff_lead(Caller::anonymous().request(without)).await);
    assert_eq!(violated(&status), ["plan", "tools"]);
    bench.leads().create_kickoff_lead(Caller::anonymous().request(form)).await.expect("taken");
    let list = bench.leads().list_leads(Caller::staff().request(ListLeadsRequest::default())).await;
    let leads = list.expect("a list").into_inner().leads;
    assert_eq!(leads[0].details, "plan: Professional\ntools: Slack\npreferred_date: Monday\n");
    assert_eq!((leads[0].message.as_str(), leads[0].score), ("Build an integration.", 30));
}
