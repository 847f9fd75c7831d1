//! The entries of the audit chain, newest first, by every filter.

use levqor_proto_compliance::v1::{
    ListAuditEntriesRequest, ListAuditEntriesResponse, Right, audit_service_client::AuditServiceClient,
};
use levqor_runtime::testing::{Caller, has_word, refused, violated};
use tonic::Status;

use crate::bench::{Bench, ada, bob};

async fn list(
    bench: &Bench,
    caller: &Caller,
    request: ListAuditEntriesRequest,
) -> Result<ListAuditEntriesResponse, Status> {
    let answer = AuditServiceClient::new(bench.channel()).list_audit_entries(caller.request(request)).await;
    Ok(answer?.into_inner())
}

/// A service in which Ada and Bob made requests, and Ada cancelled hers. Returns the id of her request.
async fn with_entries() -> (Bench, String) {
    let bench = Bench::start().await;
    let hers = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    bench.create(&bob(), Right::Erasure).await.expect("created");
    let cancel = levqor_proto_compliance::v1::CancelDataRequestRequest { data_request_id: hers.clone() };
    bench.client().cancel_data_request(ada().request(cancel)).await.expect("cancelled");
    (bench, hers)
}

fn actions(page: &ListAuditEntriesResponse) -> Vec<&str> {
    page.audit_entries.iter().map(|entry| entry.action.as_str()).collect()
}

#[tokio::test]
async fn entries_are_listed_newest_first_without_personal_data() {
    let (bench, hers) = with_entries().await;
    let all = list(&bench, &Caller::admin(), ListAuditEntriesRequest::default()).await.expect("listed");
    assert_eq!(actions(&all), ["data_request.cancel", "data_request.create", "data_request.create"]);
    let first = all.audit_entries.first().expect("an entry");
    assert_eq!((first.service.as_str(), first.sequence), ("compliance", 3));
    assert_eq!(first.ids.get("data_request_id"), Some(&hers));
    assert!(first.actor.starts_with("customer:") && !has_word(&format!("{all:?}"), "ada"), "{all:?}");
}

#[tokio::test]
async fn each_filter_filters() {
    let (bench, hers) = with_entries().await;
    let admin = Caller::admin();
    for (request, expected) in [
        (ListAuditEntriesRequest { actor_sub: "bob".to_owned(), ..Default::default() }, vec![2]),
        (ListAuditEntriesRequest { action: "data_request.cancel".to_owned(), ..Default::default() }, vec![3]),
        (ListAuditEntriesRequest { about_id: hers, ..Default::default() }, vec![3, 1]),
        (ListAuditEntriesRequest { service: "compliance".to_owned(), ..Default::default() }, vec![3, 2, 1]),
        (ListAuditEntriesRequest { actor_sub: "nobody".to_owned(), ..Default::default() }, vec![]),
    ] {
        let found = list(&bench, &admin, request.clone()).await.expect("listed");
        assert_eq!(first_three(&found), expected, "{request:?}");
    }
    let all = list(&bench, &admin, ListAuditEntriesRequest::default()).await.expect("listed");
    let second = all.audit_entries.iter().find(|entry| entry.sequence == 2).expect("the second entry");
    let from_second = ListAuditEntriesRequest { start_time: second.record_time, ..Default::default() };
    assert_eq!(first_three(&list(&bench, &admin, from_second).await.expect("listed")), [3, 2]);
    let before_second = ListAuditEntriesRequest { end_time: second.record_time, ..Default::default() };
    assert_eq!(first_three(&list(&bench, &admin, before_second).await.expect("listed")), [1]);
    let reads = bench.count("runtime.audit_entries WHERE action = 'personal_data.read'").await;
    assert_eq!(reads, 8, "each list is recorded itself");
}

/// The sequence numbers of the first three entries: each list adds one.
fn first_three(page: &ListAuditEntriesResponse) -> Vec<i64> {
    page.audit_entries.iter().map(|entry| entry.sequence).filter(|sequence| *sequence <= 3).collect()
}

#[tokio::test]
async fn pages_show_every_entry_once() {
    let (bench, _) = with_entries().await;
    let mut seen = Vec::new();
    let mut request = ListAuditEntriesRequest { page_size: 1, ..Default::default() };
    loop {
        let page = list(&bench, &Caller::admin(), request.clone()).await.expect("a page");
        seen.extend(page.audit_entries.iter().map(|entry| entry.sequence));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, [3, 2, 1]);
}

#[tokio::test]
async fn only_admins_list_and_an_unknown_service_is_named() {
    let bench = Bench::start().await;
    for caller in [Caller::anonymous(), ada(), Caller::staff()] {
        assert!(list(&bench, &caller, ListAuditEntriesRequest::default()).await.is_err());
    }
    let wrong = ListAuditEntriesRequest { service: "nowhere".to_owned(), ..Default::default() };
    let status = refused(list(&bench, &Caller::admin(), wrong).await);
    assert_eq!(violated(&status), ["service"]);
}
