//! A service begins to erase only the rows that the plan names.

use levqor_proto_compliance::v1::{ConsentPurpose, Right};
use levqor_proto_runtime::v1::{
    EraseSubjectRequest, EraseSubjectResponse, ErasurePlan, PreviewErasureRequest, Subject,
    privacy_service_client::PrivacyServiceClient,
};
use levqor_runtime::testing::{Caller, eventually, reason};
use tonic::Status;

use crate::bench::{Bench, NOBODYS, ada};

fn subject() -> Subject {
    Subject { subs: vec!["ada".to_owned()], emails: vec!["ada@example.com".to_owned()], ..Subject::default() }
}

/// What an erasure of Ada would do now.
async fn plans(bench: &Bench) -> Vec<ErasurePlan> {
    let preview = PreviewErasureRequest { service: "compliance".to_owned(), subject: Some(subject()) };
    let request = Caller::service("compliance", "compliance").request(preview);
    let preview = PrivacyServiceClient::new(bench.channel()).preview_erasure(request).await;
    preview.expect("a preview").into_inner().plans
}

async fn erase(bench: &Bench, plans: Vec<ErasurePlan>) -> Result<EraseSubjectResponse, Status> {
    let erasure = EraseSubjectRequest {
        service: "compliance".to_owned(),
        erasure_id: NOBODYS.to_owned(),
        subject: Some(subject()),
        plans,
        again: false,
    };
    let request = Caller::service("compliance", "compliance").request(erasure);
    Ok(PrivacyServiceClient::new(bench.channel()).erase_subject(request).await?.into_inner())
}

#[tokio::test]
async fn a_plan_of_older_rows_is_refused_and_nothing_is_erased() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    let stale = plans(&bench).await;
    let choice = [(ConsentPurpose::CookiesAnalytics, true)];
    bench.record(&ada(), "", &choice).await.expect("recorded");
    let refused = erase(&bench, stale).await.expect_err("she has a row more");
    assert_eq!(reason(&refused), "ERASURE_PREVIEW_STALE");
    assert_eq!(bench.count("runtime.receipts").await, 0, "it has not begun");
    let hers = "declarations WHERE owner_sub = 'ada'";
    assert_eq!(bench.count(hers).await, 1);
    // Each attempt of a call that waits may change the rows of the queue.
    eventually("the plan of now is taken", || async { erase(&bench, plans(&bench).await).await.ok() }).await;
    assert_eq!(bench.count(hers).await, 0);
}
