//! Verification finds that an entry of a chain was changed, removed, swapped or cut off.

use levqor_proto_compliance::v1::{
    AuditChain, Right, VerifyAuditChainsRequest, audit_chain::State, audit_service_client::AuditServiceClient,
};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada, bob};

/// Cuts off the last one of two entries.
const CUT: &str = "DELETE FROM runtime.audit_entries WHERE sequence = 2;
     UPDATE runtime.audit_head SET sequence = 1, hash = (SELECT hash FROM runtime.audit_entries WHERE sequence = 1)";

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
    // The daily check would save an earlier end, if it ended later than the check below.
    bench.outlive_slot("check_audit_chains", "CheckAuditChains").await;
    bench.create(&ada(), Right::Erasure).await.expect("created");
    bench.create(&bob(), Right::Erasure).await.expect("created");
    let whole = verify(&bench).await;
    assert_eq!((whole.state(), whole.entry_count), (State::Whole, 2));
    bench
}

/// An attacker with all rights on the database changes the chain.
async fn tamper(bench: &Bench, sql: &str) {
    bench.execute("ALTER TABLE runtime.audit_entries DISABLE TRIGGER USER").await;
    bench.execute(sql).await;
}

#[tokio::test]
async fn every_change_of_the_chain_is_found_and_reported_once() {
    let bench = with_entries().await;
    tamper(&bench, "CREATE SCHEMA kept; CREATE TABLE kept.entries AS TABLE runtime.audit_entries").await;
    let changes = [
        (
            "UPDATE runtime.audit_entries SET action = 'data_request.creatE' WHERE sequence = 1",
            State::Broken,
            1,
        ),
        ("DELETE FROM runtime.audit_entries WHERE sequence = 1", State::Broken, 1),
        (
            "UPDATE runtime.audit_entries SET sequence = 3 - sequence + 10;
             UPDATE runtime.audit_entries SET sequence = sequence - 10",
            State::Broken,
            1,
        ),
        ("DELETE FROM runtime.audit_entries WHERE sequence = 2", State::Broken, 2),
        (CUT, State::Cut, 0),
    ];
    for (notices, (sql, state, sequence)) in (1_i64..).zip(changes) {
        tamper(&bench, sql).await;
        for _ in 0..2 {
            let found = verify(&bench).await;
            assert_eq!((found.state(), found.broken_sequence), (state, sequence), "it stays so: {sql}");
            let told = "runtime.work WHERE idempotency_key LIKE 'audit-chain:compliance:%'";
            assert_eq!(bench.count(told).await, notices, "operators are told once: {sql}");
        }
        let back = "DELETE FROM runtime.audit_entries;
                    INSERT INTO runtime.audit_entries SELECT * FROM kept.entries;
                    UPDATE runtime.audit_head SET sequence = 2, hash = (SELECT hash FROM kept.entries WHERE sequence = 2)";
        tamper(&bench, back).await;
        assert_eq!(verify(&bench).await.state(), State::Whole, "it has its old end: {sql}");
    }
}

#[tokio::test]
async fn a_shorter_chain_is_cut_until_somebody_accepts_its_new_end() {
    let bench = with_entries().await;
    tamper(&bench, CUT).await;
    assert_eq!(verify(&bench).await.state(), State::Cut);
    // The chain grows, so it has as many entries as before, and more.
    for name in ["carol", "dave"] {
        let caller = Caller::customer(name, &format!("{name}@example.com"));
        bench.create(&caller, Right::Erasure).await.expect("created");
        assert_eq!(verify(&bench).await.state(), State::Cut, "its old end is still missing");
    }
    // What RUNBOOK says to do after a restore.
    bench.execute("DELETE FROM audit_checks WHERE service = 'compliance' AND state = 'CUT'").await;
    let whole = verify(&bench).await;
    assert_eq!((whole.state(), whole.entry_count), (State::Whole, 3));
    assert_eq!(verify(&bench).await.state(), State::Whole);
}
