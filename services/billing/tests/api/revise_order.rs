//! `ReviseOrder`: the included revisions, until 14 days after the delivery, also of accepted work.

use chrono::TimeDelta;
use levqor_proto_billing::v1::order::FulfilmentState;
use levqor_runtime::testing::{Caller, advance};
use tonic::Code;

use crate::support::{Bench, CONFIRMED, ada, reason, refused, violated};

#[tokio::test]
async fn the_included_revision_can_be_requested_once_also_of_accepted_work() {
    let bench = Bench::start().await;
    let order_id = bench.delivered().await.order_id;
    let status = refused(bench.revise(&ada(), &order_id, " ").await);
    assert_eq!(violated(&status), ["note"]);
    bench.accept(&ada(), &order_id).await.expect("accepted");
    let revised = bench.revise(&ada(), &order_id, "The sheet has no header.").await.expect("requested");
    assert_eq!((revised.fulfilment_state(), revised.revisions_left), (FulfilmentState::RevisionRequested, 0));
    assert_eq!(revised.accept_time, None);
    assert_eq!(bench.shown(&order_id).await.events.last().expect("history").note, "The sheet has no header.");
    bench.start_work(&Caller::staff(), &order_id).await.expect("started");
    bench.deliver(&Caller::staff(), &order_id, CONFIRMED).await.expect("delivered");
    let status = refused(bench.revise(&ada(), &order_id, "More.").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NO_REVISIONS_LEFT"));
}

#[tokio::test]
async fn a_revision_is_refused_on_day_14_and_to_others() {
    let bench = Bench::start().await;
    let order_id = bench.delivered().await.order_id;
    let status = refused(bench.revise(&Caller::customer("bob", "bob@example.com"), &order_id, "x").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    advance(&bench.db, TimeDelta::days(14)).await;
    let status = refused(bench.revise(&ada(), &order_id, "The sheet has no header.").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REVISION_PERIOD_OVER"));
}
