//! Staff refuse a request before its work begins, with reasons, and the person gets a mail.

use levqor_proto_compliance::v1::{DataRequest, RefuseDataRequestRequest, Right, data_request::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    download_data_request_evidence::{evidence, json},
};

async fn refuse(bench: &Bench, caller: &Caller, id: &str, reasons: &str) -> Result<DataRequest, Status> {
    let request = RefuseDataRequestRequest { data_request_id: id.to_owned(), reasons: reasons.to_owned() };
    let answer = bench.client().refuse_data_request(caller.request(request)).await?;
    Ok(answer.into_inner().data_request.expect("a data request"))
}

#[tokio::test]
async fn a_request_is_refused_once_and_the_person_gets_the_reasons() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    assert!(refuse(&bench, &ada(), &id, "It is the fifth this week.").await.is_err(), "only staff");
    let answer =
        refuse(&bench, &Caller::staff(), &id, " It is the fifth this week. ").await.expect("refused");
    assert!(answer.state() == State::Refused && answer.finish_time.is_some(), "{answer:?}");
    let mails = bench.mails("ada@example.com").await;
    let told = mails.iter().filter(
        |it| matches!(it, Content::DataRequestRefused(of) if of.reasons == "It is the fifth this week." && of.request_id == id),
    );
    assert_eq!(told.count(), 1, "the person is told");
    let kept = "data_request_refusals WHERE reasons = 'It is the fifth this week.'";
    assert_eq!(bench.count(kept).await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'data_request.refuse'").await, 1);
    let files = evidence(&bench, &Caller::staff(), &id).await.expect("the evidence");
    let request = json(&files, "request.json");
    assert_eq!(request["state"], "REFUSED");
    assert_eq!(request["refusal"]["reasons"], "It is the fifth this week.");
    let again = refused(refuse(&bench, &Caller::staff(), &id, "Again.").await);
    assert_eq!(reason(&again), "DATA_REQUEST_STATE");
    assert_eq!(bench.get(&ada(), &id).await.expect("seen").state(), State::Refused);
}

#[tokio::test]
async fn reasons_are_needed_and_work_that_has_begun_is_not_refused() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    for reasons in ["", "  ", &"x".repeat(1_001)] {
        assert_eq!(violated(&refused(refuse(&bench, &Caller::staff(), &id, reasons).await)), ["reasons"]);
    }
    let nobodys = refused(refuse(&bench, &Caller::staff(), NOBODYS, "It is excessive.").await);
    assert_eq!(reason(&nobodys), "DATA_REQUEST_NOT_FOUND");
    bench.execute("UPDATE data_requests SET state = 'IN_PROGRESS', erase_time = runtime.now()").await;
    let begun = refused(refuse(&bench, &Caller::staff(), &id, "It is excessive.").await);
    assert_eq!(reason(&begun), "DATA_REQUEST_STATE");
}
