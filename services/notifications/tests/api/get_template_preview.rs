//! `GetTemplatePreview`: staff see the sample of a template.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{GetTemplatePreviewRequest, get_template_preview_request::Format};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::{Notified, reason, refused, violated};

async fn preview(notified: &Notified, request: GetTemplatePreviewRequest) -> Result<HttpBody, Status> {
    Ok(notified.client().get_template_preview(Caller::staff().request(request)).await?.into_inner())
}

fn of(template: &str) -> GetTemplatePreviewRequest {
    GetTemplatePreviewRequest { template: template.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_preview_is_a_sample_in_html_or_text_for_a_locale() {
    let notified = Notified::start().await;
    let html = preview(&notified, of("payment_receipt")).await.expect("a preview");
    assert_eq!(html.content_type, "text/html; charset=utf-8");
    assert!(html.data.starts_with(b"<!doctype html>"));
    let american = GetTemplatePreviewRequest {
        format: Format::Text.into(),
        locale: "en-US".to_owned(),
        ..of("payment_receipt")
    };
    let other =
        GetTemplatePreviewRequest { sample: "payment_receipt.nothing_to_pay".to_owned(), ..american.clone() };
    for (request, expected) in [(american, "Date: December 5, 2026"), (other, "Paid: nothing")] {
        let text = preview(&notified, request).await.expect("a preview");
        assert_eq!(text.content_type, "text/plain; charset=utf-8");
        let text = String::from_utf8(text.data).expect("UTF-8");
        assert!(
            text.starts_with("Subject: Your receipt from Levqor\n\nHello") && text.contains(expected),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_unknown_template_or_sample_is_not_found() {
    let notified = Notified::start().await;
    let sample = GetTemplatePreviewRequest { sample: "order_welcome".to_owned(), ..of("payment_receipt") };
    for request in [of("no_such"), sample] {
        let status = refused(preview(&notified, request).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "TEMPLATE_NOT_FOUND"));
    }
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let request = GetTemplatePreviewRequest { format: 9, ..of("no template") };
    assert_eq!(violated(&refused(preview(&notified, request).await)), ["template", "format"]);
}
