//! `FetchTicketFile`: without storage nothing is fetched; while notifications does not answer, the call is retried.

use levqor_proto_inbound::v1::InboundAttachment;
use levqor_proto_support::v1::{FetchTicketFileRequest, ticket_file::State};
use levqor_runtime::testing::{Caller, reason, refused};

use super::ingest_inbound_mail::{DOMAIN, mail};
use crate::bench::{Bench, ada};

/// A ticket with a mail that has a file, and the id of the file.
pub(crate) async fn file(bench: &Bench) -> (String, String, State) {
    let ticket_id = bench.ticket(&ada(), "Help").await.ticket_id;
    let attachment =
        InboundAttachment { attachment_id: "1".to_owned(), name: "a.txt".to_owned(), size_bytes: 3 };
    let mut mail = mail(bench, 1).await;
    mail.attachments = vec![attachment];
    bench.ingest(mail).await.expect("ingested");
    let shown = bench.shown(&ada(), &ticket_id).await.expect("hers");
    let file = shown.messages.last().and_then(|message| message.files.first()).expect("a file");
    (ticket_id, file.file_id.clone(), file.state())
}

#[tokio::test]
async fn a_file_waits_for_notifications_and_is_not_taken_without_storage() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    assert_eq!(file(&bench).await.2, State::NoStorage);
    let folder = std::env::temp_dir().join(format!("levqor-support-{}", levqor_runtime::id::request_id()));
    let folder = folder.to_str().expect("text").to_owned();
    let bench = Bench::start_set(&[DOMAIN, ("LEVQOR_STORAGE_DIR", &folder)]).await;
    let (_, file_id, state) = file(&bench).await;
    assert_eq!(state, State::Pending);
    let own = Caller::service("support", "support");
    let request = own.request(FetchTicketFileRequest { file_id });
    let status = refused(bench.tickets().fetch_ticket_file(request).await);
    assert_eq!(reason(&status), "ATTACHMENT_UNAVAILABLE");
    assert!(status.message().starts_with("notifications did not give the file: "), "{}", status.message());
    std::fs::remove_dir_all(folder).expect("tidy");
}
