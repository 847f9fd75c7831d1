//! `UploadOrderFile`: a file is stored completely or not at all, and a program is never stored.

use futures_util::stream;
use levqor_proto_billing::v1::{OrderParty, UploadOrderFileRequest};
use levqor_runtime::testing::{Caller, eventually};
use tokio::sync::mpsc;
use tonic::Code;

use crate::support::{Bench, NO_ORDER, PDF, ada, body, reason, refused, violated};

#[tokio::test]
async fn a_file_shows_its_harmless_name_and_the_type_of_its_content() {
    let (bench, _folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let file = bench.upload(&ada(), &order_id, "../brief.exe.txt", vec![PDF.to_vec()]).await.expect("stored");
    assert_eq!((file.name.as_str(), file.content_type.as_str()), ("brief.exe.txt", "application/pdf"));
    assert_eq!((file.size_bytes, file.uploader()), (17, OrderParty::Customer));
    let of_staff =
        bench.upload(&Caller::staff(), &order_id, "a", vec![b"text".to_vec()]).await.expect("stored");
    assert_eq!(of_staff.uploader(), OrderParty::Staff);
    let shown: Vec<_> = bench.shown(&order_id).await.files.into_iter().map(|file| file.file_id).collect();
    assert_eq!(shown, [file.file_id, of_staff.file_id]);
}

#[tokio::test]
async fn an_invalid_file_is_refused_and_nothing_of_it_remains() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let program = [&b"\x7fELF\x02\x01\x01\0"[..], &[0; 9000]].concat();
    let (mebibyte, piece) = (1 << 20, vec![7; 1 << 20]);
    let large = vec![piece; (25 << 20) / mebibyte + 1];
    for (name, pieces, field) in [
        ("brief.pdf", vec![program], "file"),
        ("brief.pdf", vec![b"#!".to_vec(), b"/bin/sh".to_vec()], "file"),
        ("brief.ps1", vec![PDF.to_vec()], "name"),
        ("brief.pdf", vec![], "file"),
        ("brief.bin", large, "file"),
    ] {
        let status = refused(bench.upload(&ada(), &order_id, name, pieces).await);
        assert_eq!(violated(&status), [field], "{name}");
    }
    assert_eq!((folder.contents(), bench.count("order_files").await), (0, 0));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let (pieces, sent) = mpsc::channel(1);
    let sent = stream::unfold(sent, |mut sent| async { Some((sent.recv().await?, sent)) });
    let request = ada().request(sent);
    let mut client = bench.order_client();
    let upload = levqor_runtime::testing::spawn(async move { client.upload_order_file(request).await });
    let first = UploadOrderFileRequest { order_id, name: "a".to_owned(), file: Some(body(&[7; 9000])) };
    pieces.send(first).await.expect("sent");
    eventually("some of it is stored", || async { (folder.contents() == 1).then_some(()) }).await;
    upload.abort();
    drop(upload.await);
    eventually("nothing is left", || async {
        (folder.contents() == 0 && bench.count("order_files").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_same_key_stores_one_file_and_refuses_another_content() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let keyed = ada().with_key("once");
    let first = bench.upload(&keyed, &order_id, "a.pdf", vec![PDF.to_vec()]).await.expect("stored");
    let again = bench.upload(&keyed, &order_id, "a.pdf", vec![PDF[..5].to_vec(), PDF[5..].to_vec()]).await;
    assert!(again.expect("remembered") == first);
    let status = refused(bench.upload(&keyed, &order_id, "a.pdf", vec![b"other".to_vec()]).await);
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED")
    );
    assert_eq!((folder.contents(), bench.count("order_files").await), (1, 1));
}

#[tokio::test]
async fn uploads_to_another_customers_order_or_without_storage_are_refused() {
    let (bench, _folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    let bob = Caller::customer("bob", "bob@example.com");
    for (caller, order_id) in [(bob, order_id.as_str()), (ada(), NO_ORDER)] {
        let status = refused(bench.upload(&caller, order_id, "a", vec![PDF.to_vec()]).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    }
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let status = refused(bench.upload(&ada(), &order_id, "a", vec![PDF.to_vec()]).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "FILES_OFF"));
}
