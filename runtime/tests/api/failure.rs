//! A failed call is answered without internal text, and does not affect other calls.

use levqor_runtime::testing::Caller;
use tonic::Code;

use crate::probe::{self, client, effects, mail, send};

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_service_continues() {
    let service = probe::start().await;
    let failed = mail(&service).send_message(send("panic", "k1")).await.expect_err("panicked");
    assert_eq!(failed.code(), Code::Internal);
    assert!(!failed.message().contains("asked"), "{}", failed.message());
    mail(&service).send_message(send("a", "k2")).await.expect("and on it goes");
    assert_eq!(effects(&service).await, ["a:begun", "a:done"]);
    service.stop().await;
}

#[tokio::test]
async fn tokens_for_others_and_garbage_are_refused() {
    let service = probe::start().await;
    let message = || levqor_proto::notifications::v1::ListMessagesRequest::default();
    let wrong_audience = Caller::service("billing", "billing").request(message());
    let refused = client(&service).list_messages(wrong_audience).await.expect_err("for another");
    assert_eq!(refused.code(), Code::Unauthenticated);
    for header in ["Bearer garbage", "Basic YTpi", "garbage", "Bearer a.b.c"] {
        let mut request = Caller::anonymous().request(message());
        request.metadata_mut().insert("authorization", header.parse().expect("header"));
        let refused = client(&service).list_messages(request).await.expect_err(header);
        assert_eq!(refused.code(), Code::Unauthenticated, "{header}");
    }
    let refused =
        client(&service).list_messages(Caller::anonymous().request(message())).await.expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    service.stop().await;
}

#[tokio::test]
async fn a_header_that_names_a_user_means_nothing() {
    let service = probe::start().await;
    let mut request =
        Caller::anonymous().request(levqor_proto::notifications::v1::ListMessagesRequest::default());
    for name in ["x-user-email", "x-levqor-sub", "x-internal-secret", "x-api-key"] {
        request.metadata_mut().insert(name, "admin@levqor.ai".parse().expect("value"));
    }
    let refused = client(&service).list_messages(request).await.expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    service.stop().await;
}
