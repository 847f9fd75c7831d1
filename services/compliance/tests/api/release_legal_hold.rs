//! An erasure waits for the release of a legal hold, and then runs by itself.

use chrono::TimeDelta;
use levqor_proto_compliance::v1::{HoldState, LegalHold, ReleaseLegalHoldRequest, data_request::State};
use levqor_runtime::testing::{Caller, eventually, reason};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS, ada},
    place_legal_hold::place,
    run_erasure::due,
};

/// Releases a legal hold.
pub(crate) async fn release(bench: &Bench, caller: &Caller, id: &str) -> Result<LegalHold, Status> {
    let request = ReleaseLegalHoldRequest { legal_hold_id: id.to_owned() };
    let released = bench.legal_holds().release_legal_hold(caller.request(request)).await?;
    Ok(released.into_inner().legal_hold.expect("a legal hold"))
}

/// Waits until an erasure is this far.
async fn until_step(bench: &Bench, step: &str) {
    let rows = format!("erasures WHERE step = '{step}'");
    eventually("the erasure is as far", || async { (bench.count(&rows).await == 1).then_some(()) }).await;
}

#[tokio::test]
async fn an_erasure_waits_for_the_release_and_then_runs_by_itself() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    let other = place(&bench, &Caller::staff(), "case-8", "ada@example.com").await.expect("placed");
    bench.pass(8).await;
    let waiting = bench.until(&id, State::Waiting).await;
    let mut obstacles = waiting.obstacles;
    obstacles.sort();
    let obstacle = |hold: &LegalHold| format!("LEGAL_HOLD {}", hold.legal_hold_id);
    let mut expected = [obstacle(&hold), obstacle(&other)];
    expected.sort();
    assert_eq!(obstacles, expected);
    let staff = Caller::staff();
    let released = release(&bench, &staff, &hold.legal_hold_id).await.expect("released");
    assert_eq!(released.state(), HoldState::Releasing);
    eventually("the other hold alone is in the way", || async {
        let found = bench.get(&staff, &id).await.ok()?;
        (found.state() == State::Waiting && found.obstacles == [obstacle(&other)]).then_some(())
    })
    .await;
    release(&bench, &staff, &other.legal_hold_id).await.expect("released");
    bench.until(&id, State::InProgress).await;
    until_step(&bench, "TOLD").await;
    bench.advance(TimeDelta::minutes(11)).await;
    bench.until(&id, State::Done).await;
    assert_eq!(bench.count("runtime.holds").await, 0, "the holds that ended are erased with her");
    assert_eq!(bench.count("placed_holds WHERE reason IS NULL AND state = 'RELEASED'").await, 2);
}

#[tokio::test]
async fn a_running_erasure_stops_for_a_hold_and_continues_after_its_release() {
    let bench = Bench::start().await;
    let id = due(&bench).await;
    bench.pass(8).await;
    until_step(&bench, "TOLD").await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    bench.advance(TimeDelta::minutes(11)).await;
    eventually("the hold is in the way", || async {
        let found = bench.get(&Caller::staff(), &id).await.ok()?;
        (found.obstacles == [format!("LEGAL_HOLD {}", hold.legal_hold_id)]).then_some(())
    })
    .await;
    assert_eq!(bench.count("erasures WHERE step = 'TOLD'").await, 1, "nothing more is erased");
    assert_eq!(bench.count("data_requests WHERE owner_sub = 'ada'").await, 1);
    release(&bench, &Caller::staff(), &hold.legal_hold_id).await.expect("released");
    let done = bench.until(&id, State::Done).await;
    assert!(done.obstacles.is_empty());
}

#[tokio::test]
async fn a_legal_hold_is_released_once_and_by_staff() {
    let bench = Bench::start().await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    assert!(release(&bench, &ada(), &hold.legal_hold_id).await.is_err(), "only staff");
    release(&bench, &Caller::staff(), &hold.legal_hold_id).await.expect("released");
    let again = release(&bench, &Caller::staff(), &hold.legal_hold_id).await.expect_err("released");
    assert_eq!(reason(&again), "HOLD_OVER");
    let nobodys = release(&bench, &Caller::staff(), NOBODYS).await.expect_err("nobody's");
    assert_eq!(reason(&nobodys), "HOLD_NOT_FOUND");
    assert_eq!(bench.count("runtime.holds WHERE stands").await, 0);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'legal_hold.release'").await, 1);
}
