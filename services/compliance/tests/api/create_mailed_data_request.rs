//! Anybody makes a data request for a mail address.

use levqor_proto_compliance::v1::{Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};

use crate::bench::Bench;

#[tokio::test]
async fn a_code_goes_to_the_address_once_a_day_and_the_answer_is_always_the_same() {
    let bench = Bench::start().await;
    let first = bench.create_mailed(" Ada@Example.com", Right::Access).await;
    let second = bench.create_mailed("ada@example.com", Right::Access).await;
    assert_ne!(first, second, "each answer is an id");
    assert_eq!(bench.mails("ada@example.com").await.len(), 1, "one code a day");
    let states = async |id: &str| bench.get(&Caller::staff(), id).await.expect("a request").state();
    assert_eq!(states(&first).await, State::AwaitingCode);
    assert_eq!(states(&second).await, State::Expired);
    assert_eq!(bench.count("data_request_codes WHERE length(code_hash) = 32").await, 2, "the same work");
}

#[tokio::test]
async fn a_try_does_the_same_for_a_request_that_sent_no_code() {
    let bench = Bench::start().await;
    let first = bench.create_mailed("ada@example.com", Right::Access).await;
    let second = bench.create_mailed("ada@example.com", Right::Access).await;
    let code = bench.code("ada@example.com").await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for id in [&first, &second] {
        assert_eq!(reason(&bench.confirm(id, wrong).await.expect_err("wrong")), "CODE_INVALID");
    }
    assert_eq!(bench.count("data_request_codes WHERE tries = 1").await, 2, "both tries are counted");
    assert_eq!(reason(&bench.confirm(&second, &code).await.expect_err("of the first")), "CODE_INVALID");
    bench.confirm(&first, &code).await.expect("confirmed");
}

#[tokio::test]
async fn a_request_that_sent_no_code_does_not_delay_the_next_code() {
    let bench = Bench::start().await;
    bench.create_mailed("ada@example.com", Right::Access).await;
    bench.advance(chrono::TimeDelta::hours(23)).await;
    bench.create_mailed("ada@example.com", Right::Access).await;
    assert_eq!(bench.mails("ada@example.com").await.len(), 1, "the second of the day");
    bench.advance(chrono::TimeDelta::hours(2)).await;
    bench.create_mailed("ada@example.com", Right::Access).await;
    assert_eq!(bench.mails("ada@example.com").await.len(), 2, "a day after the first code");
}
