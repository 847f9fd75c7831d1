//! The link in the mail about a copy opens a page with a button.

use levqor_proto_compliance::v1::{GetCopyPageRequest, Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::{Bench, ada},
    get_privacy_page::read,
};

/// The token in the link to a new copy of Ada's.
pub(crate) async fn linked(bench: &Bench) -> String {
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    bench.link_token("ada@example.com").await
}

async fn open(bench: &Bench, token: &str) -> Result<String, Status> {
    let request = GetCopyPageRequest { link_token: token.to_owned() };
    let page = bench.pages().get_copy_page(Caller::anonymous().request(request)).await?;
    Ok(read(page.into_inner()).0)
}

#[tokio::test]
async fn opening_the_link_sends_nothing_and_an_old_or_unknown_link_opens_nothing() {
    let bench = Bench::start().await;
    let token = linked(&bench).await;
    let html = open(&bench, &token).await.expect("a page");
    assert!(html.contains(&format!("action=\"/privacy/copies/{token}/code\"")), "{html}");
    assert!(!html.contains("ada@"), "it shows no address: {html}");
    assert_eq!(bench.count("data_request_codes").await, 0);
    for unknown in ["", "x", &"A".repeat(43)] {
        assert_eq!(reason(&open(&bench, unknown).await.expect_err("unknown")), "LINK_INVALID", "{unknown}");
    }
    bench.pass(2).await;
    assert_eq!(reason(&open(&bench, &token).await.expect_err("too old")), "LINK_INVALID");
}
