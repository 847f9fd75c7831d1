//! `ApplyPermission`: a decision from the consent ledger applies to the next mail, and an older decision changes nothing.

use levqor_proto_notifications::v1::{ApplyPermissionRequest, NewsletterCategory};
use levqor_proto_runtime::v1::{
    ApplyHoldRequest, ApplyObjectionRequest, GetStandingHoldIdsRequest, HoldKind, ObjectionScope, Subject,
    privacy_service_client::PrivacyServiceClient,
};
use levqor_runtime::testing::{Caller, violated};
use tonic::Status;

use crate::Notified;

const ADA: &str = "ada@example.com";

async fn apply(notified: &Notified, given: bool, seconds: i64) {
    let request = ApplyPermissionRequest {
        email: ADA.to_owned(),
        category: NewsletterCategory::ProductUpdates.into(),
        given,
        change_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        shown_text: "News?".to_owned(),
    };
    let caller = Caller::service("compliance", "notifications");
    notified.consent().apply_permission(caller.request(request)).await.expect("applied");
}

#[tokio::test]
async fn the_last_decision_counts_in_every_order_of_arrival() {
    let notified = Notified::start().await;
    apply(&notified, true, 2_000).await;
    assert_eq!(notified.ticked(ADA).await, ["PRODUCT_UPDATES"]);
    apply(&notified, false, 1_000).await;
    assert_eq!(notified.ticked(ADA).await, ["PRODUCT_UPDATES"], "it is older");
    apply(&notified, false, 3_000).await;
    assert!(notified.ticked(ADA).await.is_empty());
    assert_eq!(notified.service.count("permission_changes WHERE source = 'consent_ledger'").await, 2);
    // The ledger has it already, and does not get it again.
    assert_eq!(notified.service.count("runtime.work WHERE rpc LIKE '%/IngestPermissionChange'").await, 0);
}

#[tokio::test]
async fn an_objection_stops_all_advertising_and_its_end_gives_it_back() {
    let notified = Notified::start().await;
    apply(&notified, true, 2_000).await;
    for (stands, seconds, expected) in [(true, 3_000, 0), (true, 2_500, 0), (false, 4_000, 1)] {
        let request = ApplyObjectionRequest {
            service: "notifications".to_owned(),
            subject: Some(Subject { emails: vec![ADA.to_owned()], ..Subject::default() }),
            scope: ObjectionScope::Marketing.into(),
            stands,
            change_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        };
        let caller = Caller::service("compliance", "notifications");
        let mut client = PrivacyServiceClient::new(notified.channel());
        client.apply_objection(caller.request(request)).await.expect("applied");
        assert_eq!(notified.ticked(ADA).await.len(), expected, "{stands} at {seconds}");
    }
    assert_eq!(notified.service.count("suppressions WHERE reason = 'OBJECTION'").await, 0);
}

/// Applies a restriction of Ada's data, or its end.
async fn restrict(notified: &Notified, hold_id: &str, stands: bool, seconds: i64) {
    change_restriction(notified, hold_id, &[ADA], stands, seconds).await.expect("applied");
}

/// Applies a change of a restriction that is about these people.
async fn change_restriction(
    notified: &Notified,
    hold_id: &str,
    emails: &[&str],
    stands: bool,
    seconds: i64,
) -> Result<(), Status> {
    let emails = emails.iter().map(|&email| email.to_owned()).collect();
    let request = ApplyHoldRequest {
        service: "notifications".to_owned(),
        hold_id: hold_id.to_owned(),
        kind: HoldKind::Restriction.into(),
        subject: Some(Subject { emails, ..Subject::default() }),
        stands,
        change_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
    };
    let caller = Caller::service("compliance", "notifications");
    let mut client = PrivacyServiceClient::new(notified.channel());
    client.apply_hold(caller.request(request)).await.map(drop)
}

/// The holds in force, after this one.
async fn standing(notified: &Notified, after: &str) -> Vec<String> {
    let (service, after_hold_id) = ("notifications".to_owned(), after.to_owned());
    let request = GetStandingHoldIdsRequest { service, after_hold_id };
    let caller = Caller::service("compliance", "notifications");
    let mut client = PrivacyServiceClient::new(notified.channel());
    client.get_standing_hold_ids(caller.request(request)).await.expect("ids").into_inner().hold_ids
}

#[tokio::test]
async fn an_end_without_addresses_ends_the_restriction_of_the_people_stored_here() {
    let notified = Notified::start().await;
    let [one, other] = ["0190b2c4-0000-7000-8000-000000000001", "0190b2c4-0000-7000-8000-000000000002"];
    restrict(&notified, one, true, 3_000).await;
    assert_eq!(standing(&notified, "").await, [one]);
    assert!(standing(&notified, one).await.is_empty(), "there is none after it");
    for hold in [one, other] {
        change_restriction(&notified, hold, &[], false, 4_000).await.expect("applied");
    }
    assert!(standing(&notified, "").await.is_empty());
    assert_eq!(notified.service.count("suppressions WHERE reason = 'RESTRICTION'").await, 0);
    assert_eq!(notified.service.count("runtime.holds").await, 1, "no row is added for an end");
    let nobodys = change_restriction(&notified, other, &[], true, 5_000).await.expect_err("refused");
    assert_eq!(violated(&nobodys), ["subject"]);
}

#[tokio::test]
async fn a_restriction_stops_all_advertising_until_the_last_one_ends() {
    let notified = Notified::start().await;
    apply(&notified, true, 2_000).await;
    let [one, other] = ["0190b2c4-0000-7000-8000-000000000001", "0190b2c4-0000-7000-8000-000000000002"];
    let stopped = async || notified.service.count("suppressions WHERE reason = 'RESTRICTION'").await;
    restrict(&notified, one, true, 3_000).await;
    restrict(&notified, one, true, 3_000).await;
    restrict(&notified, other, true, 3_500).await;
    assert_eq!(stopped().await, 1);
    restrict(&notified, one, false, 2_500).await;
    restrict(&notified, other, false, 4_000).await;
    assert_eq!(stopped().await, 1, "the end that is older than the restriction changes nothing");
    restrict(&notified, one, false, 4_000).await;
    assert_eq!(stopped().await, 0);
    assert_eq!(notified.ticked(ADA).await, ["PRODUCT_UPDATES"], "the permission is as it was");
}

#[tokio::test]
async fn a_permission_without_its_parts_is_refused() {
    let notified = Notified::start().await;
    let caller = Caller::service("compliance", "notifications");
    let request = caller.request(ApplyPermissionRequest::default());
    let refused = notified.consent().apply_permission(request).await.expect_err("not valid");
    assert_eq!(violated(&refused), ["email", "category", "change_time"]);
}
