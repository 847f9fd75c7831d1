//! `DownloadInboundAttachment`: a file arrives from the provider in pieces; if the provider no longer has it, the error says so.

use levqor_proto_mail::v1::DownloadInboundAttachmentRequest;
use levqor_runtime::testing::{Caller, eventually, reason, refused};

use super::fetch_inbound_mail::{handed_over, taking, taking_from};
use crate::{
    EventState,
    breaking_off::BreakingOff,
    fake_mail::{FakeMail, receiving::Inbound},
};

#[tokio::test]
async fn a_file_comes_in_pieces() {
    let provider = FakeMail::start();
    let notified = taking(&provider, "in.levqor.ai").await;
    let mut mail = Inbound::new("a@b.cd", "ticket-1@in.levqor.ai", "Hi");
    mail.files = vec![("a.bin", vec![7; 3 << 20])];
    notified.told(&provider.receive(mail), EventState::Applied).await;
    let call = eventually("it is handed over", || async { handed_over(&notified).await.pop() }).await;
    let support = Caller::service("support", "notifications");
    let request = |attachment_id: &str| {
        support.request(DownloadInboundAttachmentRequest {
            inbound_mail_id: call.inbound_mail_id.clone(),
            attachment_id: attachment_id.to_owned(),
        })
    };
    let mut pieces =
        notified.mail().download_inbound_attachment(request("0")).await.expect("opened").into_inner();
    let head = pieces.message().await.expect("sound").expect("a head");
    assert_eq!(head.content_type, "application/x-claimed");
    let (mut size, mut count) = (0, 0);
    while let Some(piece) = pieces.message().await.expect("sound") {
        (size, count) = (size + piece.data.len(), count + 1);
    }
    assert!(size == 3 << 20 && count > 1, "{size} bytes in {count} pieces");
    let gone = notified.mail().download_inbound_attachment(request("9")).await;
    assert_eq!(reason(&refused(gone)), "ATTACHMENT_GONE");
}

#[tokio::test]
async fn an_interrupted_download_is_an_error_and_a_retry_gets_the_whole_file() {
    let provider = FakeMail::start();
    let proxy = BreakingOff::start(&provider.url(), "/files/", 1).await;
    let notified = taking_from(proxy.url(), "in.levqor.ai").await;
    let mut mail = Inbound::new("a@b.cd", "ticket-1@in.levqor.ai", "Hi");
    mail.files = vec![("a.bin", vec![7; 1 << 20])];
    notified.told(&provider.receive(mail), EventState::Applied).await;
    let call = eventually("it is handed over", || async { handed_over(&notified).await.pop() }).await;
    let support = Caller::service("support", "notifications");
    let download = async || -> Result<usize, tonic::Status> {
        let request = support.request(DownloadInboundAttachmentRequest {
            inbound_mail_id: call.inbound_mail_id.clone(),
            attachment_id: "0".to_owned(),
        });
        let mut pieces = notified.mail().download_inbound_attachment(request).await?.into_inner();
        let mut size = 0;
        while let Some(piece) = pieces.message().await? {
            size += piece.data.len();
        }
        Ok(size)
    };
    let broken = refused(download().await);
    assert_eq!(broken.code(), tonic::Code::Unavailable, "{broken:?}");
    assert_eq!(download().await.expect("whole"), 1 << 20);
}
