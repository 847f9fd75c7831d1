//! Every service gets a hold; a second call changes nothing.

use levqor_proto_compliance::v1::{HoldState, SpreadHoldRequest};
use levqor_runtime::testing::{Caller, eventually, reason, refused};

use crate::{
    bench::{Bench, FakePeer, NOBODYS},
    place_legal_hold::place,
};

#[tokio::test]
async fn a_hold_is_in_force_everywhere_once_every_service_has_it() {
    let bench = Bench::start().await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state = 'STANDING'").await == 1).then_some(())
    })
    .await;
    let spread = async |id: &str| {
        let request = SpreadHoldRequest { hold_id: id.to_owned() };
        let caller = Caller::service("compliance", "compliance");
        bench.legal_holds().spread_hold(caller.request(request)).await
    };
    let again = spread(&hold.legal_hold_id).await.expect("told again").into_inner();
    assert_eq!(again.state(), HoldState::Standing);
    assert_eq!(reason(&refused(spread(NOBODYS).await)), "HOLD_NOT_FOUND");
}

#[tokio::test]
async fn a_change_that_was_not_sent_for_an_hour_is_sent_again() {
    let bench = Bench::start().await;
    let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    eventually("every service knows", || async {
        (bench.count("placed_holds WHERE state = 'STANDING'").await == 1).then_some(())
    })
    .await;
    // As if the call had died.
    let sql = "UPDATE placed_holds SET state = 'PLACING', change_time = change_time - interval '2 hours'";
    bench.execute(sql).await;
    bench.pass(1).await;
    eventually("every service knows", || async {
        let rows = format!("placed_holds WHERE state = 'STANDING' AND hold_id = '{}'", hold.legal_hold_id);
        (bench.count(&rows).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_knows_a_hold_while_another_gives_no_answer() {
    let support = FakePeer::start().await;
    let bench = Bench::start_with_peers(&support, true).await;
    place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
    eventually("support knows", || async { (support.count("hold") > 0).then_some(()) }).await;
    assert_eq!(bench.count("placed_holds WHERE state = 'PLACING'").await, 1, "billing does not know it");
}
