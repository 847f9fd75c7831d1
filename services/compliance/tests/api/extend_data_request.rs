//! Staff extend the time to answer once, with reasons, and the person gets a mail.

use levqor_proto_compliance::v1::{DataRequest, ExtendDataRequestRequest, Right};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    sweep_data_requests::{let_pass, sweep},
};

async fn extend(bench: &Bench, caller: &Caller, id: &str, reasons: &str) -> Result<DataRequest, Status> {
    let request = ExtendDataRequestRequest { data_request_id: id.to_owned(), reasons: reasons.to_owned() };
    let extended = bench.client().extend_data_request(caller.request(request)).await?;
    Ok(extended.into_inner().data_request.expect("a data request"))
}

#[tokio::test]
async fn the_time_is_extended_once_and_the_person_gets_the_reasons() {
    let bench = Bench::start().await;
    let made = bench.create(&ada(), Right::Erasure).await.expect("created");
    let id = &made.data_request_id;
    assert!(extend(&bench, &ada(), id, "It is complex.").await.is_err(), "only staff");
    let extended = extend(&bench, &Caller::staff(), id, " It is complex. ").await.expect("extended");
    let days = |request: &DataRequest| request.due_time.expect("a time").seconds / 86_400;
    assert!((57..=63).contains(&(days(&extended) - days(&made))), "{extended:?}");
    assert!(extended.extend_time.is_some());
    let mails = bench.mails("ada@example.com").await;
    let told = mails
        .iter()
        .filter(|it| matches!(it, Content::DataRequestExtended(of) if of.reasons == "It is complex."));
    assert_eq!(told.count(), 1, "the person is told");
    let again = refused(extend(&bench, &Caller::staff(), id, "It is still complex.").await);
    assert_eq!(reason(&again), "DATA_REQUEST_STATE");
    assert_eq!(bench.get(&ada(), id).await.expect("seen").due_time, extended.due_time, "as it was");
}

#[tokio::test]
async fn operators_get_notices_of_the_shares_of_the_extended_time_too() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let told =
        async |share: i32| bench.told("NotifyOperators", &format!("data-request:{id}:due:{share}:%")).await;
    let_pass(&bench, "0.96").await;
    sweep(&bench).await;
    assert_eq!((told(50).await, told(95).await), (0, 1));
    extend(&bench, &Caller::staff(), &id, "It is complex.").await.expect("extended");
    sweep(&bench).await;
    assert_eq!((told(50).await, told(95).await), (0, 1), "a third of the extended time is over");
    let_pass(&bench, "0.51").await;
    sweep(&bench).await;
    assert_eq!((told(50).await, told(95).await), (1, 1));
}

#[tokio::test]
async fn reasons_are_required_and_a_finished_request_cannot_be_extended() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    for reasons in ["", "  ", &"x".repeat(1_001)] {
        assert_eq!(violated(&refused(extend(&bench, &Caller::staff(), &id, reasons).await)), ["reasons"]);
    }
    let nobodys = refused(extend(&bench, &Caller::staff(), NOBODYS, "It is complex.").await);
    assert_eq!(reason(&nobodys), "DATA_REQUEST_NOT_FOUND");
    bench.execute("UPDATE data_requests SET state = 'CANCELLED', finish_time = runtime.now()").await;
    let over = refused(extend(&bench, &Caller::staff(), &id, "It is complex.").await);
    assert_eq!(reason(&over), "DATA_REQUEST_STATE");
}
