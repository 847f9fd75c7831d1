//! `DownloadTicketFile`: only a stored file of the caller's ticket. The journeys download one.

use levqor_proto_support::v1::DownloadTicketFileRequest;
use levqor_runtime::testing::{reason, refused, violated};

use super::{fetch_ticket_file::file, ingest_inbound_mail::DOMAIN};
use crate::bench::{Bench, ada, bob};

#[tokio::test]
async fn missing_files_and_files_of_others_are_not_found() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    let (ticket_id, file_id, _) = file(&bench).await;
    let request = DownloadTicketFileRequest { ticket_id, file_id };
    let not_stored = bench.tickets().download_ticket_file(ada().request(request.clone())).await;
    assert_eq!(reason(&refused(not_stored)), "FILE_NOT_FOUND");
    let not_his = bench.tickets().download_ticket_file(bob().request(request)).await;
    assert_eq!(reason(&refused(not_his)), "TICKET_NOT_FOUND");
    let empty = ada().request(DownloadTicketFileRequest::default());
    assert_eq!(
        violated(&refused(bench.tickets().download_ticket_file(empty).await)),
        ["ticket_id", "file_id"]
    );
}
