//! A person who is signed in complains about the use of their data: it is acknowledged by mail at once.

use levqor_proto_compliance::v1::{
    CreatePrivacyComplaintRequest,
    privacy_complaint::{Origin, State},
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn a_complaint_is_acknowledged_by_one_mail_and_operators_get_a_notice() {
    let bench = Bench::start().await;
    let created = bench.complain(&ada()).await.expect("created");
    assert_eq!((created.state(), created.origin()), (State::Acknowledged, Origin::Account));
    assert!(created.acknowledge_time.is_some() && created.answer_time.is_none());
    let mails = bench.mails("ada@example.com").await;
    let [Content::ComplaintAcknowledged(mail)] = mails.as_slice() else {
        panic!("one mail: {}", mails.len())
    };
    assert_eq!(mail.complaint_id, created.privacy_complaint_id);
    assert_eq!((mail.customer_name.as_str(), mail.receipt_time), ("A Person", created.receive_time));
    let id = &created.privacy_complaint_id;
    assert_eq!(bench.told("NotifyOperators", &format!("privacy-complaint:{id}")).await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'privacy_complaint.create'").await, 1);
}

#[tokio::test]
async fn a_verified_address_and_a_text_are_needed() {
    let bench = Bench::start().await;
    let unverified = Caller::unverified("eve", "eve@example.com");
    assert_eq!(reason(&refused(bench.complain(&unverified).await)), "EMAIL_NOT_VERIFIED");
    assert!(bench.complain(&Caller::anonymous()).await.is_err());
    let empty = CreatePrivacyComplaintRequest { text: " ".to_owned(), name: "x".repeat(201) };
    let status = refused(bench.complaints().create_privacy_complaint(ada().request(empty)).await);
    assert_eq!(violated(&status), ["text", "name"]);
}

#[tokio::test]
async fn an_erasure_waits_for_the_outcome() {
    let bench = Bench::start().await;
    bench.complain(&ada()).await.expect("created");
    let request = bench.create(&ada(), levqor_proto_compliance::v1::Right::Erasure).await.expect("created");
    let preview = crate::get_erasure_preview::preview(&bench, &ada(), &request.data_request_id).await;
    let obstacles = preview.expect("a preview").obstacles;
    assert!(obstacles.iter().any(|it| it.starts_with("PRIVACY_COMPLAINT_OPEN complaint ")), "{obstacles:?}");
}
