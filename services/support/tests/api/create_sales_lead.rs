//! `CreateSalesLead`: a lead is stored with its score and acknowledged, and operators get a notice; a form that a program sent is
//! discarded.

use levqor_proto_mail::v1::{OperatorNoticeKind, send_message_request::Content};
use levqor_proto_support::v1::{CreateSalesLeadRequest, ListLeadsRequest, lead::Kind};
use levqor_runtime::testing::{Caller, refused, violated};

use super::get_form_token::sales;
use crate::bench::Bench;

#[tokio::test]
async fn a_lead_is_stored_scored_acknowledged_and_reported_and_an_address_gets_few_mails() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    for _ in 0..5 {
        let form = CreateSalesLeadRequest { marketing_consent: true, ..sales(&token) };
        bench.leads().create_sales_lead(Caller::anonymous().request(form)).await.expect("taken");
    }
    let request =
        Caller::staff().request(ListLeadsRequest { kind: Kind::Sales.into(), ..Default::default() });
    let leads = bench.leads().list_leads(request).await.expect("a list").into_inner().leads;
    assert_eq!((leads.len(), leads[0].score, leads[0].source.as_str()), (5, 65, "pricing"));
    let mails = bench.mails().await;
    let acknowledged = mails.iter().filter(|mail| matches!(mail.content, Some(Content::LeadAcknowledged(_))));
    assert_eq!(acknowledged.count(), 3, "an address is mailed three times a day at most");
    let notices = bench.notices().await;
    let told = notices.iter().filter(|notice| notice.kind() == OperatorNoticeKind::Lead).collect::<Vec<_>>();
    assert!(told.len() == 5 && told.iter().all(|notice| !notice.text.contains("Ada")), "{told:?}");
    let sql = "runtime.work WHERE rpc LIKE '%/CreateNewsletterSubscription'";
    assert_eq!(bench.count(sql).await, 3, "the newsletter's double opt-in asks");
}

#[tokio::test]
async fn a_program_is_thrown_away_unseen_and_mistakes_are_named() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    let trapped = CreateSalesLeadRequest { website: "https://spam.example".to_owned(), ..sales(&token) };
    let genuine =
        bench.leads().create_sales_lead(Caller::anonymous().request(sales(&token))).await.expect("taken");
    let trapped =
        bench.leads().create_sales_lead(Caller::anonymous().request(trapped)).await.expect("no error");
    assert_eq!(trapped.into_inner(), genuine.into_inner(), "a program cannot see the difference");
    assert_eq!(bench.count("leads").await, 1);
    let wrong = CreateSalesLeadRequest {
        name: String::new(),
        email: "ada".to_owned(),
        message: "x".repeat(5_001),
        source: "a b".to_owned(),
        ..sales(&token)
    };
    let status = refused(bench.leads().create_sales_lead(Caller::anonymous().request(wrong)).await);
    assert_eq!(violated(&status), ["name", "email", "message", "source"]);
}
