//! A code opens the copy that a link leads to.

use levqor_proto_compliance::v1::{Right, SendExportCodeRequest, data_request::State};
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::bench::{Bench, ada};

/// Asks for a code.
pub(crate) async fn send(bench: &Bench, token: &str) -> Result<(), Status> {
    let request = SendExportCodeRequest { link_token: token.to_owned() };
    bench.client().send_export_code(Caller::anonymous().request(request)).await.map(drop)
}

#[tokio::test]
async fn a_code_goes_to_the_address_of_the_request_and_not_twice_at_once() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Access).await.expect("created").data_request_id;
    bench.until(&id, State::Done).await;
    let token = bench.link_token("ada@example.com").await;
    for _ in 0..2 {
        send(&bench, &token).await.expect("sent");
    }
    assert_eq!(bench.code("ada@example.com").await.len(), 6);
    assert_eq!(bench.count("runtime.work WHERE idempotency_key LIKE '%:code-%'").await, 1);
    let unknown = "A".repeat(43);
    assert_eq!(reason(&send(&bench, &unknown).await.expect_err("not known")), "LINK_INVALID");
    bench.pass(2).await;
    assert_eq!(reason(&send(&bench, &token).await.expect_err("too old")), "LINK_INVALID");
}
