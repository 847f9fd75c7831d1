//! Support hands over a complaint about personal data: compliance takes it once, and acknowledges it.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{
    Right,
    privacy_complaint::{Origin, State},
};
use levqor_proto_law::v1::IngestPrivacyComplaintRequest;
use levqor_runtime::{
    clock::Clock,
    testing::{Caller, violated},
};

use crate::{
    bench::{Bench, ada},
    get_erasure_preview::preview,
    get_privacy_complaint::get,
};

/// A complaint of the form from an hour ago, by the account `sub`, or without an account. An old complaint would not do: the
/// retention job erases it.
fn of_form(id: &str, sub: &str) -> IngestPrivacyComplaintRequest {
    let an_hour_ago = Clock::default().now() - TimeDelta::hours(1);
    IngestPrivacyComplaintRequest {
        complaint_id: id.to_owned(),
        owner_sub: sub.to_owned(),
        email: "ada@example.com".to_owned(),
        name: String::new(),
        subject: "My data".to_owned(),
        text: "You sent it to somebody else.".to_owned(),
        receive_time: Some(prost_types::Timestamp { seconds: an_hour_ago.timestamp(), nanos: 0 }),
    }
}

#[tokio::test]
async fn a_complaint_of_support_is_taken_once_and_acknowledged() {
    let bench = Bench::start().await;
    let caller = Caller::service("support", "compliance");
    let id = "0190b2c4-1111-7000-8000-000000000000";
    let complaint = of_form(id, "ada");
    for _ in 0..2 {
        bench.law().ingest_privacy_complaint(caller.request(complaint.clone())).await.expect("taken");
    }
    let taken = get(&bench, &ada(), id).await.expect("it is hers");
    assert_eq!((taken.state(), taken.origin()), (State::Acknowledged, Origin::Support));
    assert_eq!(taken.text, "My data\n\nYou sent it to somebody else.");
    assert_eq!(taken.receive_time, complaint.receive_time);
    assert_eq!(bench.mails("ada@example.com").await.len(), 1, "acknowledged once");
    assert_eq!(bench.told("NotifyOperators", &format!("privacy-complaint:{id}")).await, 1);
    let wrong = caller.request(IngestPrivacyComplaintRequest::default());
    let refused = bench.law().ingest_privacy_complaint(wrong).await.expect_err("not valid");
    assert_eq!(violated(&refused), ["complaint_id", "email", "receive_time", "text"]);
    let other = Caller::service("billing", "compliance");
    assert!(bench.law().ingest_privacy_complaint(other.request(complaint)).await.is_err(), "only support");
}

#[tokio::test]
async fn an_erasure_waits_for_the_complaint_of_an_account_and_not_for_a_typed_address() {
    let bench = Bench::start().await;
    let caller = Caller::service("support", "compliance");
    let erasure = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let [typed, hers] = ["0190b2c4-1111-7000-8000-000000000001", "0190b2c4-1111-7000-8000-000000000002"];
    bench.law().ingest_privacy_complaint(caller.request(of_form(typed, ""))).await.expect("taken");
    let obstacles = preview(&bench, &ada(), &erasure).await.expect("a preview").obstacles;
    assert!(obstacles.is_empty(), "anybody could have typed her address: {obstacles:?}");
    bench.law().ingest_privacy_complaint(caller.request(of_form(hers, "ada"))).await.expect("taken");
    let obstacles = preview(&bench, &ada(), &erasure).await.expect("a preview").obstacles;
    assert_eq!(obstacles, [format!("PRIVACY_COMPLAINT_OPEN complaint {hers}")]);
}
