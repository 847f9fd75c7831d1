//! Verification finds that an entry of a chain was changed, removed, swapped or cut off.

use levqor_proto_compliance::v1::{
    AuditChain, Right, VerifyAuditChainsRequest, audit_chain::State, audit_service_client::AuditServiceClient,
};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada, bob};

async fn verify(bench: &Bench) -> AuditChain {
    let request = Caller::admin().request(VerifyAuditChainsRequest {});
    let answer = AuditServiceClient::new(bench.channel()).verify_audit_chains(request).await;
    let mut chains = answer.expect("verified").into_inner().audit_chains;
    assert_eq!(chains.len(), 1, "{chains:?}");
    chains.remove(0)
}

/// A service with two entries, whose chain was whole.
async fn with_entries() -> Bench {
    let bench = Bench::start().await;
    // The schedule's first check would save what it read before as the last that is known.
    bench.outlive_slot("check_audit_chains", "CheckAuditChains").await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    bench.create(&bob(), Right::Erasure).await.expect("created");
    let whole = verify(&bench).await;
    assert_eq!((whole.state(), whole.entry_count), (State::Whole, 2));
    bench
}

/// Somebody with all rights on the database changes the chain.
async fn tamper(bench: &Bench, sql: &str) {
    bench.execute("ALTER TABLE runtime.audit_entries DISABLE TRIGGER USER").await;
    bench.execute(sql).await;
}

#[tokio::test]
async fn every_change_of_the_chain_is_found_and_told_once() {
    for (sql, state, sequence) in [
        ("UPDATE runtime.audit_entries SET action = 'data_request.creatE' WHERE sequence = 1", State::Broken, 1),
        ("DELETE FROM runtime.audit_entries WHERE sequence = 1", State::Broken, 1),
        (
            "UPDATE runtime.audit_entries SET sequence = 3 - sequence + 10;
             UPDATE runtime.audit_entries SET sequence = sequence - 10",
            State::Broken,
            1,
        ),
        ("DELETE FROM runtime.audit_entries WHERE sequence = 2", State::Broken, 2),
        (
            "DELETE FROM runtime.audit_entries WHERE sequence = 2;
             UPDATE runtime.audit_head SET sequence = 1, hash = (SELECT hash FROM runtime.audit_entries WHERE sequence = 1)",
            State::Cut,
            0,
        ),
    ] {
        let bench = with_entries().await;
        tamper(&bench, sql).await;
        let found = verify(&bench).await;
        assert_eq!((found.state(), found.broken_sequence), (state, sequence), "{sql}");
        let told = "runtime.work WHERE idempotency_key LIKE 'audit-chain:compliance:%'";
        assert_eq!(bench.count(told).await, 1, "{sql}");
        if state == State::Broken {
            assert_eq!(verify(&bench).await.state(), state, "it stays broken");
            assert_eq!(bench.count(told).await, 1, "operators are told once");
        }
    }
}
