//! A person who is signed in makes a data request.

use levqor_proto_compliance::v1::{
    CancelDataRequestRequest, CreateDataRequestRequest, ObjectionScope, Right, data_request::State,
};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, ada, bob};

#[tokio::test]
async fn a_copy_is_built_at_once_and_an_erasure_waits_for_its_approval() {
    let bench = Bench::start().await;
    let copy = bench.create(&ada(), Right::Access).await.expect("created");
    assert!(copy.due_time.is_some());
    let erasure = bench.create(&bob(), Right::Erasure).await.expect("created");
    assert_eq!(erasure.state(), State::AwaitingApproval);
    bench.until(&copy.data_request_id, State::Done).await;
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'data_request.create'").await, 2);
}

#[tokio::test]
async fn one_request_a_day_of_a_verified_person_is_taken() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Access).await.expect("created");
    let again = bench.create(&ada(), Right::Erasure).await.expect_err("the second of the day");
    assert_eq!(reason(&again), "DATA_REQUEST_TODAY");
    bench.pass(2).await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("the next day").data_request_id;
    let cancel = CancelDataRequestRequest { data_request_id: id };
    bench.client().cancel_data_request(ada().request(cancel)).await.expect("cancelled");
    let again = bench.create(&ada(), Right::Erasure).await.expect_err("the cancelled one counts");
    assert_eq!(reason(&again), "DATA_REQUEST_TODAY");
    let unverified = Caller::unverified("eve", "eve@example.com");
    let refused = bench.create(&unverified, Right::Access).await.expect_err("not verified");
    assert_eq!(reason(&refused), "EMAIL_NOT_VERIFIED");
}

#[tokio::test]
async fn an_objection_is_done_at_once_and_does_not_count_as_the_request_of_the_day() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Access).await.expect("created");
    let objection = |objection_scope: ObjectionScope| CreateDataRequestRequest {
        right: Right::Objection.into(),
        objection_scope: objection_scope.into(),
        ..Default::default()
    };
    let request = ada().request(objection(ObjectionScope::Profiling));
    let made = bench.client().create_data_request(request).await.expect("created").into_inner();
    let made = made.data_request.expect("a data request");
    assert_eq!((made.state(), made.objection_scope()), (State::Done, ObjectionScope::Profiling));
    let hers =
        "declarations WHERE kind = 'OBJECTION' AND given AND owner_sub = 'ada' AND scope = 'PROFILING'";
    assert_eq!(bench.count(hers).await, 1);
    let request = ada().request(objection(ObjectionScope::Unspecified));
    let wrong = refused(bench.client().create_data_request(request).await);
    assert_eq!(violated(&wrong), ["objection_scope"]);
    let request = ada().request(objection(ObjectionScope::All));
    bench.client().create_data_request(request).await.expect("at any time, and as often as she likes");
}
