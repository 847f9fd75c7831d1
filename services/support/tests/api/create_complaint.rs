//! `CreateComplaint`: a ticket with its own deadlines, acknowledged at once; operators get a notice.

use levqor_proto_law::v1::IngestPrivacyComplaintRequest;
use levqor_proto_mail::v1::{OperatorNoticeKind, send_message_request::Content};
use levqor_proto_support::v1::{CreateComplaintRequest, complaint::Category};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, ada};

/// A complaint of Ada's.
pub(crate) fn complaint(form_token: &str) -> CreateComplaintRequest {
    CreateComplaintRequest {
        form_token: form_token.to_owned(),
        subject: "Late".to_owned(),
        description: "My order is late.".to_owned(),
        email: "ada@example.com".to_owned(),
        ..CreateComplaintRequest::default()
    }
}

#[tokio::test]
async fn a_complaint_is_acknowledged_by_one_mail_with_one_notice() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    let created = bench.complaints().create_complaint(Caller::anonymous().request(complaint(&token))).await;
    let created = created.expect("created").into_inner();
    assert_eq!(created.number, "LC-101");
    let mails = bench.mails().await;
    let [mail] = mails.as_slice() else { panic!("one mail: {}", mails.len()) };
    let Some(Content::ServiceComplaintAcknowledged(acknowledged)) = &mail.content else {
        panic!("{}", mail.about)
    };
    assert_eq!(acknowledged.complaint_id, "LC-101");
    assert_eq!(acknowledged.answer_time, created.answer_due_time);
    let told = bench.notices().await;
    assert!(told.iter().any(|notice| notice.kind() == OperatorNoticeKind::Complaint));
    assert_eq!(bench.count("tickets WHERE origin = 'COMPLAINT' AND NOT customer_verified").await, 1);
}

#[tokio::test]
async fn a_customer_needs_no_token_and_everybody_else_does() {
    let bench = Bench::start().await;
    let own = CreateComplaintRequest { email: String::new(), ..complaint("") };
    bench.complaints().create_complaint(ada().request(own.clone())).await.expect("created");
    let status =
        refused(bench.complaints().create_complaint(Caller::anonymous().request(complaint(""))).await);
    assert_eq!(reason(&status), "FORM_TOKEN_INVALID");
    let status = refused(bench.complaints().create_complaint(Caller::anonymous().request(own)).await);
    assert_eq!(violated(&status), ["email"]);
    assert_eq!(bench.count("tickets WHERE customer_verified AND owner_sub = 'ada'").await, 1);
}

#[tokio::test]
async fn an_address_that_anybody_may_have_typed_is_mailed_three_times_a_day_and_an_own_one_always() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    let create = async |caller: Caller, request: CreateComplaintRequest| {
        let created = bench.complaints().create_complaint(caller.request(request)).await;
        created.expect("created").into_inner()
    };
    for _ in 0..5 {
        let created = create(Caller::anonymous(), complaint(&token)).await;
        assert!(created.answer_due_time.is_some(), "the answer tells when the result comes");
    }
    let acknowledged = async || {
        let mails = bench.mails().await;
        let is_it = |content: &Content| matches!(content, Content::ServiceComplaintAcknowledged(_));
        mails.iter().filter(|mail| mail.content.as_ref().is_some_and(is_it)).count()
    };
    assert_eq!(acknowledged().await, 3);
    assert_eq!(bench.count("complaints").await, 5, "none is lost");
    assert_eq!(bench.count("complaints WHERE acknowledge_time IS NULL").await, 2);
    // Her own address is proven.
    for _ in 0..4 {
        create(ada(), CreateComplaintRequest { email: String::new(), ..complaint("") }).await;
    }
    assert_eq!(acknowledged().await, 7);
    bench.advance(chrono::TimeDelta::hours(25)).await;
    let token = bench.form_token().await;
    create(Caller::anonymous(), complaint(&token)).await;
    assert_eq!(acknowledged().await, 8, "a day later");
}

#[tokio::test]
async fn a_complaint_about_personal_data_goes_to_compliance_once_and_is_no_ticket() {
    let bench = Bench::start().await;
    let about_data = CreateComplaintRequest { category: Category::PersonalData.into(), ..complaint("") };
    let create = async || {
        let request = ada().with_key("once").request(about_data.clone());
        bench.complaints().create_complaint(request).await.expect("created").into_inner()
    };
    let created = create().await;
    assert_eq!(create().await.number, created.number, "it is one complaint");
    assert_eq!(created.answer_due_time, None);
    let handed: Vec<IngestPrivacyComplaintRequest> = bench.deferred().await;
    let [handed] = handed.as_slice() else { panic!("one: {}", handed.len()) };
    assert_eq!(handed.complaint_id, created.number);
    assert_eq!((handed.owner_sub.as_str(), handed.email.as_str()), ("ada", "ada@example.com"));
    assert_eq!((handed.subject.as_str(), handed.text.as_str()), ("Late", "My order is late."));
    assert!(handed.receive_time.is_some());
    assert_eq!(bench.count("tickets").await + bench.count("complaints").await, 0);
    assert!(bench.mails().await.is_empty(), "compliance acknowledges it");
}
