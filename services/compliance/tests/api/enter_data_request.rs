//! Staff enter a request that came by letter: it is worked on as any other.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{
    ConsentPurpose, DataRequest, EnterDataRequestRequest, Right, data_request::State,
};
use levqor_runtime::{
    db,
    testing::{Caller, refused, violated},
};
use tonic::Status;

use crate::bench::{Bench, ada};

async fn enter(bench: &Bench, caller: &Caller, email: &str, right: Right) -> Result<DataRequest, Status> {
    let request =
        EnterDataRequestRequest { email: email.to_owned(), right: right.into(), ..Default::default() };
    let entered = bench.client().enter_data_request(caller.with_key("a-letter").request(request)).await?;
    Ok(entered.into_inner().data_request.expect("a data request"))
}

#[tokio::test]
async fn a_letter_gets_a_copy_and_its_time_runs() {
    let bench = Bench::start().await;
    assert!(enter(&bench, &ada(), "bob@example.com", Right::Access).await.is_err(), "only staff");
    let entered = enter(&bench, &Caller::staff(), "bob@example.com", Right::Access).await.expect("entered");
    assert!(entered.due_time.is_some());
    bench.until(&entered.data_request_id, State::Done).await;
    assert!(!bench.link_token("bob@example.com").await.is_empty(), "the link went to the person");
    let again = enter(&bench, &Caller::staff(), "bob@example.com", Right::Access).await.expect("the same");
    assert_eq!(again.data_request_id, entered.data_request_id, "one letter is one request");
}

#[tokio::test]
async fn an_erasure_by_letter_waits_for_its_approval() {
    let bench = Bench::start().await;
    let entered = enter(&bench, &Caller::staff(), "bob@example.com", Right::Erasure).await.expect("entered");
    assert_eq!(entered.state(), State::AwaitingApproval);
    let wrong = refused(enter(&bench, &Caller::staff(), "nobody", Right::Unspecified).await);
    assert_eq!(violated(&wrong), ["email", "right"]);
}

#[tokio::test]
async fn the_time_of_a_letter_runs_from_its_receipt() {
    let bench = Bench::start().await;
    let now = db::now(&mut bench.db.acquire().await.expect("a connection")).await.expect("a time");
    let came = |days| {
        let time = now - TimeDelta::days(days);
        let receive_time = prost_types::Timestamp { seconds: time.timestamp(), nanos: 0 };
        let (email, right) = ("bob@example.com".to_owned(), Right::Erasure.into());
        EnterDataRequestRequest { email, right, receive_time: Some(receive_time), ..Default::default() }
    };
    for days in [-1, 91] {
        let refused = refused(
            bench.client().enter_data_request(Caller::staff().with_key("a-letter").request(came(days))).await,
        );
        assert_eq!(violated(&refused), ["receive_time"]);
    }
    let letter = Caller::staff().with_key("an-old-letter").request(came(20));
    let entered = bench.client().enter_data_request(letter).await.expect("entered").into_inner();
    let entered = entered.data_request.expect("a data request");
    let due = entered.due_time.expect("a time");
    let days_left = (due.seconds - now.timestamp()) / (24 * 3600);
    assert!((7..=12).contains(&days_left), "{days_left}");
}

#[tokio::test]
async fn a_withdrawal_by_letter_is_done_at_once() {
    let bench = Bench::start().await;
    let request = EnterDataRequestRequest {
        email: "bob@example.com".to_owned(),
        right: Right::ConsentWithdrawal.into(),
        withdrawn: vec![ConsentPurpose::MailProductUpdates.into()],
        ..Default::default()
    };
    let letter = Caller::staff().with_key("a-letter").request(request);
    let entered = bench.client().enter_data_request(letter).await.expect("entered").into_inner();
    assert_eq!(entered.data_request.expect("a data request").state(), State::Done);
    let withdrawn = "declarations WHERE source = 'staff' AND NOT given AND email = 'bob@example.com'";
    assert_eq!(bench.count(withdrawn).await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'data_request.declare'").await, 1);
}
