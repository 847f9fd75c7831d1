//! `GetMessage`: staff see one message and its rendered parts.

use levqor_proto_notifications::v1::{
    DeliveryOutcome, GetMessageRequest, GetMessageResponse, delivery_attempt::Outcome,
};
use levqor_runtime::testing::Caller;
use tonic::Code;

use crate::{Notified, UNKNOWN_ID, reason, refused, violated, welcome};

fn get(id: &str) -> tonic::Request<GetMessageRequest> {
    Caller::staff().request(GetMessageRequest { message_id: id.to_owned() })
}

#[tokio::test]
async fn staff_see_the_rendered_mail() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    let response = notified.client().get_message(get(&id)).await.expect("there").into_inner();
    let GetMessageResponse { message, text, html, delivery_attempts, delivery_reports } = response;
    let message = message.expect("a message");
    assert_eq!(message.message_id, id);
    // The local mailbox sends no reports about a mail.
    assert_eq!(message.delivery_outcome(), DeliveryOutcome::Unspecified);
    assert!(message.delivery_outcome_time.is_none() && delivery_reports.is_empty());
    let [attempt] = delivery_attempts.as_slice() else { panic!("one attempt") };
    assert_eq!((attempt.provider.as_str(), attempt.outcome()), ("mailbox", Outcome::Accepted));
    assert_eq!(attempt.idempotency_key, id);
    assert!(attempt.begin_time.is_some() && attempt.end_time.is_some());
    assert!(text.starts_with("Hello Ada Lovelace,\n"), "{text}");
    assert!(text.contains("Paid: £99.00\n"), "{text}");
    assert!(html.starts_with("<!doctype html>"), "{html}");
    assert!(html.contains("https://www.levqor.ai/intake?order_id=1"), "{html}");
}

#[tokio::test]
async fn a_message_that_is_not_there_is_not_found() {
    let notified = Notified::start().await;
    let status = refused(notified.client().get_message(get(UNKNOWN_ID)).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
}

#[tokio::test]
async fn a_text_that_is_no_id_is_a_violation() {
    let notified = Notified::start().await;
    for id in ["", "1", "0190B2C4-0000-7000-8000-000000000000"] {
        let status = refused(notified.client().get_message(get(id)).await);
        assert_eq!(violated(&status), ["message_id"], "{id}");
    }
}
