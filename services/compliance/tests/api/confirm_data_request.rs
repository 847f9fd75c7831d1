//! A code confirms a data request: once, in time, and within five tries.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{Right, data_request::State};
use levqor_runtime::testing::reason;

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
