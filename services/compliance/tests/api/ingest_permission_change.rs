//! Notifications reports a change of a permission: the ledger stores it once.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{ConsentPurpose, GetConsentStateRequest, ObjectionScope};
use levqor_proto_law::v1::{IngestPermissionChangeRequest, law_service_client::LawServiceClient};
use levqor_runtime::{
    client::Peer,
    clock::Clock,
    testing::{Caller, violated},
};

use crate::{
    bench::{Bench, ada},
    record_consent::standing,
    set_objection::set,
};

impl Bench {
    pub(crate) fn law(&self) -> LawServiceClient<Peer> {
        LawServiceClient::new(self.channel())
    }
}

/// A change that is later than everything that a test does: an older one does not end an objection.
fn change(id: &str, given: bool) -> IngestPermissionChangeRequest {
    let in_an_hour = Clock::default().now() + TimeDelta::hours(1);
    IngestPermissionChangeRequest {
        change_id: id.to_owned(),
        address_hash: vec![7; 32].into(),
        email: "ada@example.com".to_owned(),
        category: "OFFERS_PROMOTIONS".to_owned(),
        given,
        source: "unsubscribe".to_owned(),
        shown_text: "Press the button".to_owned(),
        change_time: Some(prost_types::Timestamp { seconds: in_an_hour.timestamp(), nanos: 0 }),
    }
}

#[tokio::test]
async fn a_change_is_taken_once_and_the_person_sees_it() {
    let bench = Bench::start().await;
    let caller = Caller::service("notifications", "compliance");
    for _ in 0..2 {
        bench.law().ingest_permission_change(caller.request(change("c1", false))).await.expect("taken");
    }
    assert_eq!(bench.count("declarations WHERE NOT given AND source = 'unsubscribe'").await, 1);
    let request = ada().request(GetConsentStateRequest::default());
    let state = bench.ledger().get_consent_state(request).await.expect("the state").into_inner();
    assert_eq!(standing(&state.standings, ConsentPurpose::MailOffersPromotions), (false, true));
}

#[tokio::test]
async fn a_new_permission_ends_an_objection_to_advertising() {
    let bench = Bench::start().await;
    let stands = set(&bench, &ada(), ObjectionScope::Marketing, true).await;
    assert!(stands.marketing);
    let caller = Caller::service("notifications", "compliance");
    bench.law().ingest_permission_change(caller.request(change("c2", true))).await.expect("taken");
    // The account is found by the address that it had when it objected.
    assert_eq!(
        bench.count("declarations WHERE kind = 'OBJECTION' AND NOT given AND source = 'consent'").await,
        1
    );
}

#[tokio::test]
async fn a_change_without_its_parts_is_refused() {
    let bench = Bench::start().await;
    let caller = Caller::service("notifications", "compliance");
    let wrong = IngestPermissionChangeRequest::default();
    let refused = bench.law().ingest_permission_change(caller.request(wrong)).await.expect_err("not valid");
    assert_eq!(violated(&refused), ["change_id", "source", "category", "address_hash", "change_time"]);
}
