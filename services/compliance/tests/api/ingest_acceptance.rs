//! A checkout reports the acceptance of the terms: the ledger stores it once.

use levqor_proto_law::v1::IngestAcceptanceRequest;
use levqor_runtime::testing::{Caller, violated};

use crate::{
    bench::{Bench, ada},
    get_pending_acceptances::pending,
};

#[tokio::test]
async fn an_acceptance_is_taken_once_and_counts() {
    let bench = Bench::start().await;
    let caller = Caller::service("billing", "compliance");
    let acceptance = |terms_version: &str, about_id: &str| IngestAcceptanceRequest {
        about_id: about_id.to_owned(),
        owner_sub: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        terms_version: terms_version.to_owned(),
        accept_time: Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 }),
    };
    // A version that was published elsewhere has no hash, but is stored too.
    bench.law().ingest_acceptance(caller.request(acceptance("2025", "order-1"))).await.expect("taken");
    assert_eq!(pending(&bench, &ada()).await, ["1"]);
    for _ in 0..2 {
        bench.law().ingest_acceptance(caller.request(acceptance("1", "order-2"))).await.expect("taken");
    }
    assert!(pending(&bench, &ada()).await.is_empty());
    assert_eq!(bench.count("declarations WHERE kind = 'ACCEPTANCE' AND source = 'checkout'").await, 2);
    assert_eq!(bench.count("declarations WHERE text_sha256 = '' AND version = '2025'").await, 1);
    let wrong = caller.request(IngestAcceptanceRequest::default());
    let refused = bench.law().ingest_acceptance(wrong).await.expect_err("not valid");
    assert_eq!(violated(&refused), ["about_id", "owner_sub", "terms_version", "accept_time"]);
}
