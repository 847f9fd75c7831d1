//! The form for the code of a copy gives the file, or is shown again.

use std::io::Cursor;

use futures_util::StreamExt;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::DownloadCopyRequest;
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::Bench,
    get_copy_page::linked,
    get_privacy_page::{form, read},
    send_copy_code::press,
};

/// Posts the form. Returns the bytes as one body, which begins as the first one.
async fn download(bench: &Bench, token: &str, code: &str) -> Result<HttpBody, Status> {
    let request =
        DownloadCopyRequest { link_token: token.to_owned(), form: Some(form(&format!("code={code}"))) };
    let opened = bench.pages().download_copy(Caller::anonymous().request(request)).await?;
    let mut whole = HttpBody::default();
    for (place, part) in opened.into_inner().collect::<Vec<_>>().await.into_iter().enumerate() {
        let part = part?;
        if place == 0 {
            whole = part;
        } else {
            whole.data.extend(part.data);
        }
    }
    Ok(whole)
}

#[tokio::test]
async fn the_right_code_gives_a_file_with_a_name_once() {
    let bench = Bench::start().await;
    let token = linked(&bench).await;
    press(&bench, &token).await.expect("a page");
    let code = bench.code("ada@example.com").await;
    let spaced = format!("{}+{}", &code[..3], &code[3..]);
    let file = download(&bench, &token, &spaced).await.expect("a file");
    assert_eq!(file.content_type, "application/zip");
    let head: levqor_proto_base::r#type::v1::HttpBodyHead = file.extensions[0].to_msg().expect("a head");
    assert_eq!((head.status, head.file_name.as_str()), (0, "levqor-personal-data.zip"));
    assert!(zip::ZipArchive::new(Cursor::new(file.data)).is_ok());
    let (html, head) = read(download(&bench, &token, &code).await.expect("a page"));
    assert_eq!(head.status, 403, "used: {html}");
}

#[tokio::test]
async fn a_wrong_code_gives_the_form_again_and_a_wrong_link_nothing() {
    let bench = Bench::start().await;
    let token = linked(&bench).await;
    press(&bench, &token).await.expect("a page");
    let code = bench.code("ada@example.com").await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for (code, status) in [("abc", 400), (wrong, 403)] {
        let (html, head) = read(download(&bench, &token, code).await.expect("a page"));
        assert_eq!(head.status, status, "{html}");
        assert!(html.contains("role=\"alert\"") && html.contains(&format!("/{token}/download\"")), "{html}");
    }
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'data_export.download'").await, 0);
    let unknown = "A".repeat(43);
    assert_eq!(reason(&download(&bench, &unknown, &code).await.expect_err("unknown")), "LINK_INVALID");
}
