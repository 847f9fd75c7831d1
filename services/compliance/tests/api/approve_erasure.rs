//! An erasure is approved as its preview showed it.

use levqor_proto_compliance::v1::{ApproveErasureRequest, DataRequest, Right, data_request::State};
use levqor_runtime::testing::{Caller, reason};
use tonic::Status;

use crate::{
    bench::{Bench, LOCKING, ada},
    get_erasure_preview::preview,
    place_legal_hold::place,
};

pub(crate) async fn approve(
    bench: &Bench,
    caller: &Caller,
    id: &str,
    hash: &str,
) -> Result<DataRequest, Status> {
    let request = ApproveErasureRequest { data_request_id: id.to_owned(), preview_hash: hash.to_owned() };
    let approved = bench.client().approve_erasure(caller.request(request)).await?;
    Ok(approved.into_inner().data_request.expect("a data request"))
}

#[tokio::test]
async fn an_approved_erasure_waits_for_seven_days() {
    let bench = Bench::start().await;
    let created = bench.create(&ada(), Right::Erasure).await.expect("created");
    let hash = preview(&bench, &ada(), &created.data_request_id).await.expect("a preview").preview_hash;
    let approved = approve(&bench, &ada(), &created.data_request_id, &hash).await.expect("approved");
    assert_eq!(approved.state(), State::Scheduled);
    let [erase, create] =
        [approved.erase_time, created.create_time].map(|time| time.expect("an instant").seconds);
    assert!((7 * 86_400..7 * 86_400 + 60).contains(&(erase - create)));
    let again = approve(&bench, &ada(), &created.data_request_id, &hash).await.expect_err("approved");
    assert_eq!(reason(&again), "DATA_REQUEST_STATE");
}

#[tokio::test]
async fn a_stale_preview_is_refused() {
    let bench = Bench::start().await;
    let id = bench.create(&ada(), Right::Erasure).await.expect("created").data_request_id;
    let hash = preview(&bench, &ada(), &id).await.expect("a preview").preview_hash;
    bench
        .execute(
            "INSERT INTO data_requests (data_request_id, email, entitlement, origin, state, subject, create_time)
             VALUES (gen_random_uuid(), 'ada@example.com', 'ACCESS', 'MAIL', 'AWAITING_CODE', '{}', runtime.now())",
        )
        .await;
    let refused = approve(&bench, &ada(), &id, &hash).await.expect_err("stale");
    assert_eq!(reason(&refused), "ERASURE_PREVIEW_STALE");
    assert_eq!(bench.get(&ada(), &id).await.expect("found").state(), State::AwaitingApproval);
}

#[tokio::test]
async fn a_legal_hold_that_is_placed_during_the_approval_stops_the_erasure() {
    let bench = Bench::start().await;
    let caller = ada();
    let id = bench.create(&caller, Right::Erasure).await.expect("created").data_request_id;
    let hash = preview(&bench, &caller, &id).await.expect("a preview").preview_hash;
    // The approval waits for this row. By then it has asked the services.
    let row = bench.held("SELECT FROM data_requests FOR UPDATE").await;
    let placing = async {
        bench.until_waiting(LOCKING, 1).await;
        let hold = place(&bench, &Caller::staff(), "case-7", "ada@example.com").await.expect("placed");
        row.commit().await.expect("released");
        hold
    };
    let (approved, hold) = tokio::join!(approve(&bench, &caller, &id, &hash), placing);
    assert_eq!(approved.expect("approved").state(), State::Scheduled);
    bench.pass(8).await;
    let waiting = bench.until(&id, State::Waiting).await;
    assert_eq!(waiting.obstacles, [format!("LEGAL_HOLD {}", hold.legal_hold_id)]);
    assert_eq!(bench.count("runtime.receipts").await, 0, "nothing is erased");
}
