//! Staff list restrictions.

use levqor_proto_compliance::v1::{HoldState, ListRestrictionsRequest, Restriction};
use levqor_runtime::testing::Caller;

use crate::{
    accept_data_request::restrict,
    bench::{Bench, ada},
    place_legal_hold::place,
};

/// Every restriction, newest first.
pub(crate) async fn restrictions(bench: &Bench) -> Vec<Restriction> {
    let request = Caller::staff().request(ListRestrictionsRequest::default());
    bench.restrictions().list_restrictions(request).await.expect("a list").into_inner().restrictions
}

#[tokio::test]
async fn restrictions_are_listed_and_legal_holds_are_not_among_them() {
    let bench = Bench::start().await;
    let data_request_id = restrict(&bench).await;
    place(&bench, &Caller::staff(), "case-7", "bob@example.com").await.expect("placed");
    let [restriction] = restrictions(&bench).await.try_into().expect("one");
    let Restriction { emails, data_request_id: of, .. } = &restriction;
    assert_eq!((emails.as_slice(), of), (["ada@example.com".to_owned()].as_slice(), &data_request_id));
    assert_eq!(restriction.state(), HoldState::Standing);
    let list = async |request: ListRestrictionsRequest| {
        let listed = bench.restrictions().list_restrictions(Caller::staff().request(request)).await;
        listed.expect("a list").into_inner().restrictions.len()
    };
    let of = |email: &str| ListRestrictionsRequest { email: email.to_owned(), ..Default::default() };
    assert_eq!([list(of("ada@example.com")).await, list(of("bob@example.com")).await], [1, 0]);
    let released = ListRestrictionsRequest { state: HoldState::Released.into(), ..Default::default() };
    assert_eq!(list(released).await, 0);
    let request = ada().request(ListRestrictionsRequest::default());
    assert!(bench.restrictions().list_restrictions(request).await.is_err(), "only staff");
}
