//! Staff enter a complaint that came by letter: with an address it is acknowledged by mail, without one by a letter of theirs.

use levqor_proto_compliance::v1::{
    EnterPrivacyComplaintRequest, PrivacyComplaint, SweepDataRequestsRequest, privacy_complaint::State,
};
use levqor_runtime::testing::{Caller, refused, violated};
use tonic::Status;

use crate::bench::{Bench, ada};

pub(crate) async fn enter(bench: &Bench, caller: &Caller, email: &str) -> Result<PrivacyComplaint, Status> {
    let request = EnterPrivacyComplaintRequest {
        email: email.to_owned(),
        name: String::new(),
        text: "You sent my details to somebody else.".to_owned(),
        receive_time: None,
    };
    let caller = caller.with_key("a-letter");
    let entered = bench.complaints().enter_privacy_complaint(caller.request(request)).await?;
    Ok(entered.into_inner().privacy_complaint.expect("a complaint"))
}

#[tokio::test]
async fn a_letter_with_an_address_is_acknowledged_by_mail_once() {
    let bench = Bench::start().await;
    assert!(enter(&bench, &ada(), "bob@example.com").await.is_err(), "only staff");
    let entered = enter(&bench, &Caller::staff(), "bob@example.com").await.expect("entered");
    let again = enter(&bench, &Caller::staff(), "bob@example.com").await.expect("the same");
    assert_eq!(again.privacy_complaint_id, entered.privacy_complaint_id, "one letter is one complaint");
    assert_eq!(entered.state(), State::Acknowledged);
    assert_eq!(bench.mails("bob@example.com").await.len(), 1);
}

#[tokio::test]
async fn a_letter_without_an_address_waits_for_a_letter_and_its_time_is_not_in_the_future() {
    let bench = Bench::start().await;
    let entered = enter(&bench, &Caller::staff(), "").await.expect("entered");
    assert_eq!((entered.state(), entered.acknowledge_time), (State::Received, None));
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/SendMessage'").await, 0, "nobody gets a mail");
    let wrong = EnterPrivacyComplaintRequest {
        email: "nobody".to_owned(),
        text: String::new(),
        ..EnterPrivacyComplaintRequest::default()
    };
    let caller = Caller::staff().with_key("another");
    let status = refused(bench.complaints().enter_privacy_complaint(caller.request(wrong)).await);
    assert_eq!(violated(&status), ["email", "text"]);
    let future = EnterPrivacyComplaintRequest {
        text: "You sent my details to somebody else.".to_owned(),
        receive_time: Some(prost_types::Timestamp { seconds: 32_503_680_000, nanos: 0 }),
        ..EnterPrivacyComplaintRequest::default()
    };
    let status = refused(bench.complaints().enter_privacy_complaint(caller.request(future)).await);
    assert_eq!(violated(&status), ["receive_time"]);
}

#[tokio::test]
async fn operators_get_one_notice_of_each_share_of_the_30_days() {
    let bench = Bench::start().await;
    let id = enter(&bench, &Caller::staff(), "").await.expect("entered").privacy_complaint_id;
    for (share, expected) in [("0.4", 0), ("0.51", 1), ("0.81", 2), ("0.96", 3), ("1.1", 4)] {
        // As if that share of the time was over now.
        let sql = format!(
            "UPDATE privacy_complaints SET receive_time = runtime.now() - interval '30 days' * {share},
                                           acknowledge_due_time = runtime.now() + interval '30 days' * (1 - {share})"
        );
        bench.execute(&sql).await;
        for _ in 0..2 {
            let caller = Caller::service("compliance", "compliance");
            let swept = bench.client().sweep_data_requests(caller.request(SweepDataRequestsRequest {})).await;
            swept.expect("swept");
            assert_eq!(bench.told("NotifyOperators", "privacy-complaint:%:due:%").await, expected, "{share}");
        }
    }
    assert_eq!(bench.told("NotifyOperators", &format!("privacy-complaint:{id}:due:100")).await, 1);
}
