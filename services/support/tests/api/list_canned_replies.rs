//! `ListCannedReplies`: newest first, in pages.

use levqor_proto_support::v1::{ListCannedRepliesRequest, ListCannedRepliesResponse};
use levqor_runtime::testing::Caller;

use crate::bench::Bench;

#[tokio::test]
async fn canned_replies_are_listed_newest_first_in_pages() {
    let bench = Bench::start().await;
    let staff = Caller::staff();
    for name in ["First", "Second", "Third"] {
        bench.advance(chrono::TimeDelta::seconds(1)).await;
        bench.canned(&staff, name, "Text").await.expect("created");
    }
    let page = async |page_token: String| -> ListCannedRepliesResponse {
        let request = ListCannedRepliesRequest { page_size: 2, page_token };
        let listed = bench.canned_replies().list_canned_replies(staff.request(request)).await;
        listed.expect("listed").into_inner()
    };
    let first = page(String::new()).await;
    let second = page(first.next_page_token.clone()).await;
    let names = |listed: &ListCannedRepliesResponse| {
        listed.canned_replies.iter().map(|reply| reply.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["Third".into(), "Second".into()], vec!["First".into()])
    );
    assert!(second.next_page_token.is_empty());
}
