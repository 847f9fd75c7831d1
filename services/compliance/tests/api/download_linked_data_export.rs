//! A link and a code give the copy, once.

use std::io::Cursor;

use levqor_proto_compliance::v1::{DownloadLinkedDataExportRequest, Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::{Bench, bytes},
    send_export_code::send,
};

const EMAIL: &str = "ada@example.com";

/// The code of a confirmed request, and the token of the link to its copy.
async fn linked(bench: &Bench) -> (String, String) {
    let id = bench.create_mailed(EMAIL, Right::Portability).await;
    let code = bench.code(EMAIL).await;
    bench.confirm(&id, &code).await.expect("confirmed");
    bench.until(&id, State::Done).await;
    (code, bench.link_token(EMAIL).await)
}

async fn download(bench: &Bench, token: &str, code: &str) -> Result<Vec<u8>, Status> {
    let request = DownloadLinkedDataExportRequest { link_token: token.to_owned(), code: code.to_owned() };
    let opened = bench.client().download_linked_data_export(Caller::anonymous().request(request)).await?;
    bytes(opened.into_inner()).await
}

#[tokio::test]
async fn a_person_with_the_link_needs_the_code_too() {
    let bench = Bench::start().await;
    let (code, token) = linked(&bench).await;
    let refused = download(&bench, &token, &code).await.expect_err("the code of the request");
    assert_eq!(reason(&refused), "CODE_INVALID");
    send(&bench, &token).await.expect("sent");
    let code = bench.code(EMAIL).await;
    let archive = download(&bench, &token, &code).await.expect("the copy");
    assert!(zip::ZipArchive::new(Cursor::new(archive)).is_ok());
    assert_eq!(reason(&download(&bench, &token, &code).await.expect_err("used")), "CODE_INVALID");
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_refused() {
    let bench = Bench::start().await;
    let (_, token) = linked(&bench).await;
    send(&bench, &token).await.expect("sent");
    let code = bench.code(EMAIL).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for tried in [wrong; 5].into_iter().chain([&*code]) {
        let refused = download(&bench, &token, tried).await.expect_err("wrong, or too late");
        assert_eq!(reason(&refused), "CODE_INVALID");
    }
}
