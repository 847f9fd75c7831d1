//! A call with an idempotency key is made once, even if it is repeated.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use levqor_proto::runtime::v1::{PurgeExpiredRequest, work_service_client::WorkServiceClient};
use levqor_runtime::testing::{Caller, eventually, reason, spawn};
use tonic::Code;
use tonic_types::StatusExt;

use crate::probe::{self, effects, mail, send};

#[tokio::test]
async fn a_repeated_call_gets_the_stored_answer() {
    let service = probe::start().await;
    for _ in 0..3 {
        let answer = mail(&service).send_message(send("a", "k")).await.expect("answered").into_inner();
        assert_eq!(answer.message_id, "of a");
    }
    assert_eq!(effects(&service).await, ["a:begun", "a:done"]);
    let refused = mail(&service).send_message(send("b", "k")).await.expect_err("another request");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED")
    );
    let named = refused.get_error_details().bad_request().cloned().expect("a violation");
    assert_eq!(named.field_violations[0].field, "idempotency-key");
    service.stop().await;
}

#[tokio::test]
async fn a_second_call_is_refused_while_the_first_call_runs() {
    let service = probe::start().await;
    let probe = &service.running.service;
    probe.close_gate();
    let mut first = mail(&service);
    let first = spawn(async move { first.send_message(send("a", "k")).await });
    eventually("the first call runs", || async { (probe.at_gate.load(Ordering::SeqCst) == 1).then_some(()) })
        .await;
    let second = mail(&service).send_message(send("a", "k")).await.expect_err("in flight");
    assert_eq!((second.code(), reason(&second).as_str()), (Code::Aborted, "IDEMPOTENCY_KEY_IN_FLIGHT"));
    assert!(second.get_error_details().retry_info().is_some(), "the error has the time of the retry");
    probe.open_gate();
    first.await.expect("no panic").expect("the first is answered");
    mail(&service).send_message(send("a", "k")).await.expect("the second call is answered");
    assert_eq!(effects(&service).await, ["a:begun", "a:done"]);
    service.stop().await;
}

#[tokio::test]
async fn a_stored_answer_is_repeated_while_another_caller_still_holds_the_lock() {
    let service = probe::start().await;
    mail(&service).send_message(send("a", "k")).await.expect("answered");
    let mut other = service.db.begin().await.expect("a transaction");
    let scope = "service:billing\nlevqor.mail.v1.MailService/SendMessage\nk";
    let held: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(scope)
        .fetch_one(&mut *other)
        .await
        .expect("locked");
    assert!(held);
    mail(&service).send_message(send("a", "k")).await.expect("answered again");
    let refused = mail(&service).send_message(send("b", "k")).await.expect_err("another request");
    assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
    drop(other);
    service.stop().await;
}

#[tokio::test]
async fn a_key_is_required_where_the_proto_says_so() {
    let service = probe::start().await;
    let mut request = send("a", "k");
    request.metadata_mut().remove("idempotency-key");
    let refused = mail(&service).send_message(request).await.expect_err("no key");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "IDEMPOTENCY_KEY_INVALID")
    );
    let details = refused.get_error_details();
    let violations = details.bad_request().expect("violations");
    assert_eq!(violations.field_violations.first().expect("one").field, "idempotency-key");
    service.stop().await;
}

#[tokio::test]
async fn answers_to_services_are_stored_for_ninety_days() {
    let service = probe::start().await;
    mail(&service).send_message(send("a", "k")).await.expect("sent");
    let records = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM runtime.idempotency_records")
            .fetch_one(service.db.pool())
            .await
            .expect("count")
    };
    for (days, left) in [(89, 1), (2, 0)] {
        service.advance(TimeDelta::days(days)).await;
        let purge = Caller::service("notifications", "notifications").request(PurgeExpiredRequest {});
        WorkServiceClient::new(service.channel()).purge_expired(purge).await.expect("purged");
        // The schedule may purge at the same time.
        eventually("the expected number of records", || async { (records().await == left).then_some(()) })
            .await;
    }
    service.stop().await;
}
