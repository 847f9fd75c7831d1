//! Staff accept a restriction: the data is kept and not used, and the person gets a mail. An erasure is not accepted this way.

use levqor_proto_compliance::v1::{AcceptDataRequestRequest, DataRequest, Right, data_request::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::{Bench, ada},
    enforce_retention::{age, enforce},
};

/// Accepts a data request.
pub(crate) async fn accept(bench: &Bench, caller: &Caller, id: &str) -> Result<DataRequest, Status> {
    let request = AcceptDataRequestRequest { data_request_id: id.to_owned() };
    let accepted = bench.client().accept_data_request(caller.request(request)).await?;
    Ok(accepted.into_inner().data_request.expect("a data request"))
}

/// Restricts the processing of Ada's data. Returns the id of the data request.
pub(crate) async fn restrict(bench: &Bench) -> String {
    let id = bench.create(&ada(), Right::Restriction).await.expect("created").data_request_id;
    accept(bench, &Caller::staff(), &id).await.expect("accepted");
    bench.until(&id, State::Done).await;
    id
}

#[tokio::test]
async fn an_accepted_restriction_is_in_force_and_keeps_old_rows() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Restriction).await.expect("created").data_request_id;
    assert!(accept(&bench, &ada(), &id).await.is_err(), "only staff");
    assert_eq!(bench.get(&ada(), &id).await.expect("seen").state(), State::AwaitingApproval);
    let accepted = accept(&bench, &Caller::staff(), &id).await.expect("accepted");
    assert_eq!(accepted.state(), State::InProgress);
    bench.until(&id, State::Done).await;
    let stands = "runtime.holds WHERE stands AND kind = 'RESTRICTION'";
    // One row for her account, and one for her address.
    assert_eq!(bench.count(stands).await, 2);
    let mails = bench.mails("ada@example.com").await;
    assert_eq!(mails.iter().filter(|mail| matches!(mail, Content::DataRequestDone(_))).count(), 1);
    age(&bench).await;
    enforce(&bench).await;
    assert_eq!(bench.count("data_requests WHERE owner_sub = 'ada'").await, 1, "what is old stays");
    let again = accept(&bench, &Caller::staff(), &id).await.expect_err("accepted");
    assert_eq!(reason(&again), "DATA_REQUEST_STATE");
}

#[tokio::test]
async fn an_erasure_is_not_accepted_without_its_preview() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let refused = accept(&bench, &Caller::staff(), &id).await.expect_err("an erasure");
    assert_eq!(reason(&refused), "DATA_REQUEST_STATE");
    assert_eq!(bench.get(&ada(), &id).await.expect("seen").state(), State::AwaitingApproval);
}
