//! A code confirms a data request: once, in time, and within five tries.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{ConfirmDataRequestRequest, Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};

use crate::bench::{Bench, NOBODYS};

const EMAIL: &str = "ada@example.com";

#[tokio::test]
async fn the_code_confirms_once() {
    let bench = Bench::start().await;
    let id = bench.create_mailed(EMAIL, Right::Access).await;
    let code = bench.code(EMAIL).await;
    let confirmed = bench.confirm(&id, &code).await.expect("confirmed");
    assert!(confirmed.due_time.is_some());
    bench.until(&id, State::Done).await;
    for (id, code) in [(id.as_str(), code.as_str()), (NOBODYS, &code)] {
        let refused = bench.confirm(id, code).await.expect_err("not again");
        assert_eq!(reason(&refused), "CODE_INVALID");
    }
}

#[tokio::test]
async fn a_call_with_the_same_key_gets_the_first_answer_and_no_other_key_does() {
    let bench = Bench::start().await;
    let id = bench.create_mailed(EMAIL, Right::Erasure).await;
    let code = bench.code(EMAIL).await;
    let confirm = async |key: &str, code: &str| {
        let request = ConfirmDataRequestRequest { data_request_id: id.clone(), code: code.to_owned() };
        let request = Caller::anonymous().with_key(key).request(request);
        bench.client().confirm_data_request(request).await.map(tonic::Response::into_inner)
    };
    let first = confirm("1", &code).await.expect("confirmed");
    assert_eq!(confirm("1", &code).await.expect("the same"), first);
    let tries = "data_request_codes WHERE use_time IS NOT NULL AND tries = 1";
    assert_eq!(bench.count(tries).await, 1, "the second call is no try");
    assert_eq!(reason(&confirm("2", &code).await.expect_err("used")), "CODE_INVALID");
    let other = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(reason(&confirm("1", other).await.expect_err("another")), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn after_five_wrong_tries_or_ten_minutes_the_right_code_is_refused() {
    let bench = Bench::start().await;
    for (email, is_late) in [("ada@example.com", false), ("bob@example.com", true)] {
        let id = bench.create_mailed(email, Right::Erasure).await;
        let code = bench.code(email).await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let tries = if is_late { 4 } else { 5 };
        for _ in 0..tries {
            assert_eq!(reason(&bench.confirm(&id, wrong).await.expect_err("wrong")), "CODE_INVALID");
        }
        if is_late {
            bench.advance(TimeDelta::minutes(11)).await;
        }
        assert_eq!(reason(&bench.confirm(&id, &code).await.expect_err("too late")), "CODE_INVALID");
    }
}
