//! The button of the page of a copy sends a code.

use levqor_proto_compliance::v1::SendCopyCodeRequest;
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::Bench,
    get_copy_page::linked,
    get_privacy_page::{form, read},
};

/// Presses the button. Returns the page with the form for the code.
pub(crate) async fn press(bench: &Bench, token: &str) -> Result<String, Status> {
    let request = SendCopyCodeRequest { link_token: token.to_owned(), form: Some(form("")) };
    let page = bench.pages().send_copy_code(Caller::anonymous().request(request)).await?;
    Ok(read(page.into_inner()).0)
}

#[tokio::test]
async fn the_button_sends_one_code_in_five_minutes_and_shows_the_form() {
    let bench = Bench::start().await;
    let token = linked(&bench).await;
    for _ in 0..2 {
        let html = press(&bench, &token).await.expect("a page");
        assert!(html.contains(&format!("action=\"/privacy/copies/{token}/download\"")), "{html}");
    }
    assert_eq!(bench.code("ada@example.com").await.len(), 6);
    assert_eq!(bench.count("runtime.work WHERE idempotency_key LIKE '%:code-%'").await, 1);
    assert_eq!(reason(&press(&bench, "x").await.expect_err("unknown")), "LINK_INVALID");
}
