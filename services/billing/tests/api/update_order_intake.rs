//! `UpdateOrderIntake`: a draft is saved in parts. Of an invalid request, nothing is saved.

use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Bench, ada, answers, event, reason, refused, session, violated, with};

fn one(id: &str, answer: &str) -> std::collections::HashMap<String, String> {
    [(id.to_owned(), answer.to_owned())].into()
}

#[tokio::test]
async fn parts_of_a_draft_add_up_and_an_empty_answer_removes_one() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    bench.answer(&ada(), &order_id, one("goal", "Less work")).await.expect("saved");
    bench.answer(&ada(), &order_id, one("notes", "None")).await.expect("saved");
    bench.answer(&ada(), &order_id, one("goal", "")).await.expect("removed");
    assert!(bench.intake(&ada(), &order_id).await.expect("a form").answers == one("notes", "None"));
    let wrong = [one("goal", "Less"), one("runs_per_day", "many"), one("example_url", "example")];
    let wrong = wrong.into_iter().flatten().collect();
    let status = refused(bench.answer(&ada(), &order_id, wrong).await);
    let mut named = violated(&status);
    named.sort();
    assert_eq!(named, ["answers.example_url", "answers.runs_per_day"]);
    assert!(bench.intake(&ada(), &order_id).await.expect("a form").answers == one("notes", "None"));
}

#[tokio::test]
async fn only_the_buyer_of_a_paid_order_changes_a_form_that_is_not_submitted() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    let bob = Caller::customer("bob", "bob@example.com");
    let status = refused(bench.answer(&bob, &order_id, answers()).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    let status = refused(bench.answer(&ada(), &order_id, answers()).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_STATE"));
    let unpaid = with(
        session("cs_2"),
        &[("payment_status", json!("unpaid")), ("customer_details", json!({"email": "bob@example.com"}))],
    );
    bench.process(&event("evt_2", "checkout.session.completed", &unpaid)).await;
    let order_id = bench.orders(&bob).await[0].order_id.clone();
    let status = refused(bench.answer(&bob, &order_id, answers()).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_NOT_PAID"));
}

#[tokio::test]
async fn without_an_answer_of_the_screen_the_text_is_accepted_and_operators_get_a_notice() {
    // No compliance runs here.
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let text = "Sort our patient records.";
    bench.answer(&ada(), &order_id, one("goal", text)).await.expect("taken");
    assert!(bench.intake(&ada(), &order_id).await.expect("a form").answers == one("goal", text));
    let told = format!("runtime.work WHERE idempotency_key LIKE 'high-risk-text:order:{order_id}:%'");
    assert_eq!(bench.count(&told).await, 1);
}
