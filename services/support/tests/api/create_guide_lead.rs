//! `CreateGuideLead`: the guide is mailed, and the flow waits for its first step.

use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::CreateGuideLeadRequest;
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::Bench;

/// The form, filled in.
pub(crate) fn guide(form_token: String) -> CreateGuideLeadRequest {
    CreateGuideLeadRequest {
        form_token,
        name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        business_type: "agency".to_owned(),
        problem: "automate".to_owned(),
        phone: "+44 20 7946 0000".to_owned(),
        ..CreateGuideLeadRequest::default()
    }
}

#[tokio::test]
async fn the_guide_is_mailed_and_its_flow_begins_once() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    for _ in 0..2 {
        let form = Caller::anonymous().request(guide(token.clone()));
        bench.leads().create_guide_lead(form).await.expect("taken");
    }
    let mails = bench.mails().await;
    let Some(Content::LeadMagnetWelcome(welcome)) = &mails[0].content else { panic!("the guide") };
    assert_eq!(welcome.guide_link, "https://www.levqor.ai/guide");
    assert_eq!(bench.count("leads WHERE next_step = 1 AND score = 85").await, 1);
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/TakeLeadStep'").await, 1);
    let empty = Caller::anonymous().request(CreateGuideLeadRequest::default());
    assert_eq!(violated(&refused(bench.leads().create_guide_lead(empty).await)), ["name", "email"]);
}
