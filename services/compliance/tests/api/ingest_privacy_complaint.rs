//! Support hands over a complaint about personal data: compliance takes it once, and acknowledges it.

use levqor_proto_compliance::v1::privacy_complaint::{Origin, State};
use levqor_proto_law::v1::IngestPrivacyComplaintRequest;
use levqor_runtime::testing::{Caller, violated};

use crate::{
    bench::{Bench, ada},
    get_privacy_complaint::get,
};

#[tokio::test]
async fn a_complaint_of_support_is_taken_once_and_acknowledged() {
    let bench = Bench::start().await;
    let caller = Caller::service("support", "compliance");
    let id = "0190b2c4-1111-7000-8000-000000000000";
    let complaint = IngestPrivacyComplaintRequest {
        complaint_id: id.to_owned(),
        owner_sub: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        name: String::new(),
        subject: "My data".to_owned(),
        text: "You sent it to somebody else.".to_owned(),
        receive_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
    };
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
