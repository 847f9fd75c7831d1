//! The daily check saves its results.

use levqor_proto_compliance::v1::{
    AuditChain, CheckAuditChainsRequest, Right, audit_chain::State, audit_service_client::AuditServiceClient,
};
use levqor_runtime::testing::{Caller, eventually};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn the_last_entry_is_remembered() {
    let bench = Bench::start().await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    let caller = Caller::service("compliance", "compliance");
    // The schedule's first check may end after this one, with older results.
    eventually("the last entry is remembered", || async {
        check(&bench, &caller).await;
        let remembered = bench.count("audit_checks WHERE state = 'WHOLE' AND last_sequence = 1").await;
        (remembered == 1).then_some(())
    })
    .await;
}

async fn check(bench: &Bench, caller: &Caller) {
    let answer = AuditServiceClient::new(bench.channel())
        .check_audit_chains(caller.request(CheckAuditChainsRequest {}))
        .await;
    let chains = answer.expect("checked").into_inner().audit_chains;
    assert_eq!(chains.iter().map(AuditChain::state).collect::<Vec<_>>(), [State::Whole]);
}
