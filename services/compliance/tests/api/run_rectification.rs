//! A correction runs when staff accept it, and the person gets a mail. `tests/journeys/rights.rs` has the rows of the services.

use levqor_proto_compliance::v1::{
    CreateDataRequestRequest, Right, RunRectificationRequest, data_request::State,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, refused, violated};

use crate::{
    accept_data_request::accept,
    bench::{Bench, ada},
};

#[tokio::test]
async fn a_correction_runs_once_and_the_person_gets_a_mail() {
    let bench = Bench::start().await;
    let request = CreateDataRequestRequest {
        right: Right::Rectification.into(),
        corrected_name: " Ada Lovelace ".to_owned(),
        ..Default::default()
    };
    let created = bench.client().create_data_request(ada().request(request)).await.expect("created");
    let created = created.into_inner().data_request.expect("a data request");
    assert_eq!((created.state(), created.corrected_name.as_str()), (State::AwaitingApproval, "Ada Lovelace"));
    let id = created.data_request_id;
    accept(&bench, &Caller::staff(), &id).await.expect("accepted");
    bench.until(&id, State::Done).await;
    let request = RunRectificationRequest { data_request_id: id.clone() };
    let caller = Caller::service("compliance", "compliance");
    let again = bench.client().run_rectification(caller.request(request)).await.expect("nothing to do");
    assert_eq!(again.into_inner().state(), State::Done);
    let mails = bench.mails("ada@example.com").await;
    let told = mails.iter().filter_map(|mail| match mail {
        Content::DataRequestDone(done) => Some(done.outcome.as_str()),
        _ => None,
    });
    let [outcome] = told.collect::<Vec<_>>()[..] else { panic!("one mail") };
    assert!(outcome.contains("stay as they were written"), "it names what stays: {outcome}");
    assert_eq!(bench.count("rectifications WHERE complete_time IS NOT NULL").await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'subject.rectify'").await, 1);
}

#[tokio::test]
async fn a_correction_needs_a_name_or_an_address_and_nothing_else_has_one() {
    let bench = Bench::start().await;
    for (right, name) in [(Right::Rectification, ""), (Right::Erasure, "Ada")] {
        let request = CreateDataRequestRequest {
            right: right.into(),
            corrected_name: name.to_owned(),
            ..Default::default()
        };
        let wrong = refused(bench.client().create_data_request(ada().request(request)).await);
        assert_eq!(violated(&wrong), ["corrected_name"], "{right:?}");
    }
}
