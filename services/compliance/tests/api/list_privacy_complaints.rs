//! Customers list their own complaints, and staff all.

use levqor_proto_compliance::v1::{ListPrivacyComplaintsRequest, privacy_complaint::State};
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, ada, bob},
    enter_privacy_complaint::enter,
};

#[tokio::test]
async fn customers_see_their_own_and_staff_see_all_by_state_and_address() {
    let bench = Bench::start().await;
    let hers = bench.complain(&ada()).await.expect("created").privacy_complaint_id;
    let his = bench.complain(&bob()).await.expect("created").privacy_complaint_id;
    let letter = enter(&bench, &Caller::staff(), "").await.expect("entered").privacy_complaint_id;
    let list = async |caller: Caller, state: State, email: &str| {
        let request = ListPrivacyComplaintsRequest {
            state: state.into(),
            email: email.to_owned(),
            ..ListPrivacyComplaintsRequest::default()
        };
        let listed = bench.complaints().list_privacy_complaints(caller.request(request)).await;
        let listed = listed.expect("a list").into_inner().privacy_complaints;
        listed.into_iter().map(|it| it.privacy_complaint_id).collect::<Vec<_>>()
    };
    assert_eq!(list(ada(), State::Unspecified, "").await, std::slice::from_ref(&hers));
    assert!(list(ada(), State::Unspecified, "bob@example.com").await.is_empty());
    assert_eq!(
        list(Caller::staff(), State::Unspecified, "").await,
        [letter.clone(), his.clone(), hers.clone()]
    );
    assert_eq!(list(Caller::staff(), State::Received, "").await, [letter]);
    assert_eq!(list(Caller::staff(), State::Acknowledged, "bob@example.com").await, [his]);
}
