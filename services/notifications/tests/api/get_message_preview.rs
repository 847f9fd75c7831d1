//! `GetMessagePreview`: staff see a message as its recipient sees it.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{GetMessagePreviewRequest, get_message_preview_request::Format};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::{Notified, UNKNOWN_ID, reason, refused, violated, welcome};

async fn preview(notified: &Notified, caller: &Caller, id: &str, format: i32) -> Result<HttpBody, Status> {
    let request = caller.request(GetMessagePreviewRequest { message_id: id.to_owned(), format });
    Ok(notified.client().get_message_preview(request).await?.into_inner())
}

#[tokio::test]
async fn a_preview_is_the_html_or_the_text_part() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    for (format, content_type, beginning) in [
        (Format::Unspecified, "text/html; charset=utf-8", "<!doctype html>"),
        (Format::Html, "text/html; charset=utf-8", "<!doctype html>"),
        (Format::Text, "text/plain; charset=utf-8", "Hello Ada Lovelace,"),
    ] {
        let body = preview(&notified, &Caller::staff(), &id, format.into()).await.expect("there");
        assert_eq!(body.content_type, content_type);
        let text = String::from_utf8(body.data).expect("UTF-8");
        assert!(text.starts_with(beginning), "{text}");
    }
}

#[tokio::test]
async fn a_message_that_is_not_there_is_not_found() {
    let notified = Notified::start().await;
    let status = refused(preview(&notified, &Caller::staff(), UNKNOWN_ID, 0).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let status = refused(preview(&notified, &Caller::staff(), "1", 9).await);
    assert_eq!(violated(&status), ["message_id", "format"]);
}
