//! Staff list legal holds, newest first, by state, by person and by matter.

use levqor_proto_compliance::v1::{HoldState, ListLegalHoldsRequest};
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    bench::{Bench, ada},
    place_legal_hold::place,
    release_legal_hold::release,
};

#[tokio::test]
async fn legal_holds_are_listed_by_state_person_and_matter() {
    let bench = Bench::start().await;
    let first = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    place(&bench, &Caller::staff(), "case-8", "bob@example.com").await.expect("placed");
    release(&bench, &Caller::staff(), &first.legal_hold_id).await.expect("released");
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state IN ('STANDING', 'RELEASED')").await == 2).then_some(())
    })
    .await;
    let list = async |request: ListLegalHoldsRequest| {
        let listed = bench.legal_holds().list_legal_holds(Caller::staff().request(request)).await;
        let holds = listed.expect("a list").into_inner().legal_holds;
        holds.into_iter().map(|hold| hold.matter).collect::<Vec<_>>()
    };
    assert_eq!(list(ListLegalHoldsRequest::default()).await, ["case-8", "case-7"]);
    for (request, expected) in [
        (ListLegalHoldsRequest { state: HoldState::Released.into(), ..Default::default() }, "case-7"),
        (ListLegalHoldsRequest { email: "bob@example.com".to_owned(), ..Default::default() }, "case-8"),
        (ListLegalHoldsRequest { matter: "case-7".to_owned(), ..Default::default() }, "case-7"),
    ] {
        assert_eq!(list(request).await, [expected]);
    }
    let request = ada().request(ListLegalHoldsRequest::default());
    assert!(bench.legal_holds().list_legal_holds(request).await.is_err(), "only staff");
}
