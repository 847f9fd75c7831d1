//! Staff answer a complaint: its outcome is mailed once.

use levqor_proto_compliance::v1::{
    AnswerPrivacyComplaintRequest, PrivacyComplaint, SweepDataRequestsRequest, privacy_complaint::State,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    enter_privacy_complaint::enter,
};

async fn answer(bench: &Bench, caller: &Caller, id: &str, outcome: &str) -> Result<PrivacyComplaint, Status> {
    let request =
        AnswerPrivacyComplaintRequest { privacy_complaint_id: id.to_owned(), outcome: outcome.to_owned() };
    let answered = bench.complaints().answer_privacy_complaint(caller.request(request)).await?;
    Ok(answered.into_inner().privacy_complaint.expect("a complaint"))
}

#[tokio::test]
async fn the_outcome_is_mailed_once_and_ends_the_notice() {
    let bench = Bench::start().await;
    let id = bench.complain(&ada()).await.expect("created").privacy_complaint_id;
    let past = "UPDATE privacy_complaints SET receive_time = runtime.now() - interval '16 days',
                                              acknowledge_due_time = runtime.now() + interval '14 days'";
    bench.execute(past).await;
    let caller = Caller::service("compliance", "compliance");
    let swept = bench.client().sweep_data_requests(caller.request(SweepDataRequestsRequest {})).await;
    swept.expect("swept");
    assert!(answer(&bench, &ada(), &id, "Fine.").await.is_err(), "only staff");
    assert_eq!(violated(&refused(answer(&bench, &Caller::staff(), &id, " ").await)), ["outcome"]);
    let answered = answer(&bench, &Caller::staff(), &id, "We are sorry.").await.expect("answered");
    assert_eq!((answered.state(), answered.outcome.as_str()), (State::Answered, "We are sorry."));
    let mails = bench.mails("ada@example.com").await;
    let told = mails
        .iter()
        .filter(|it| matches!(it, Content::ComplaintAnswered(of) if of.outcome == "We are sorry."));
    assert_eq!(told.count(), 1);
    assert_eq!(bench.told("EndOperatorNotice", &format!("privacy-complaint:{id}:end:%")).await, 1);
    assert_eq!(bench.told("EndOperatorNotice", &format!("privacy-complaint:{id}:due:50:end:%")).await, 1);
    let again = refused(answer(&bench, &Caller::staff(), &id, "Again.").await);
    assert_eq!(reason(&again), "PRIVACY_COMPLAINT_STATE");
    let nobodys = refused(answer(&bench, &Caller::staff(), NOBODYS, "Nothing.").await);
    assert_eq!(reason(&nobodys), "PRIVACY_COMPLAINT_NOT_FOUND");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'privacy_complaint.answer'").await, 1);
}

#[tokio::test]
async fn a_letter_gets_its_outcome_without_a_mail_and_is_acknowledged_by_it() {
    let bench = Bench::start().await;
    let id = enter(&bench, &Caller::staff(), "").await.expect("entered").privacy_complaint_id;
    let answered = answer(&bench, &Caller::staff(), &id, "We are sorry.").await.expect("answered");
    assert!(answered.acknowledge_time.is_some() && answered.answer_time.is_some());
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/SendMessage'").await, 0);
}
