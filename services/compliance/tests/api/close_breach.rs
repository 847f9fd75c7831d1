//! Staff close a breach once regulator and people have their answer.

use levqor_proto_compliance::v1::{Breach, CloseBreachRequest, breach::State};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS},
    exempt_breach::exempt,
    record_people_notice::tell,
    record_regulator_notice::notify,
};

pub(crate) async fn close(bench: &Bench, id: &str, untold: &str) -> Result<Breach, Status> {
    let request = CloseBreachRequest { breach_id: id.to_owned(), people_untold_reasons: untold.to_owned() };
    let closed = bench.breaches().close_breach(Caller::staff().request(request)).await?;
    Ok(closed.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn a_breach_is_closed_after_the_decision_and_the_notice_to_people() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    assert_eq!(reason(&refused(close(&bench, &id, "").await)), "BREACH_STATE", "nothing is decided");
    notify(&bench, &id, "").await.expect("notified");
    assert_eq!(violated(&refused(close(&bench, &id, "").await)), ["people_untold_reasons"]);
    tell(&bench, &id, 40).await.expect("told");
    let closed = close(&bench, &id, "").await.expect("closed");
    assert!(closed.state() == State::Closed && closed.close_time.is_some());
    assert_eq!(bench.told("EndOperatorNotice", &format!("breach:{id}:end:%")).await, 1);
    assert_eq!(reason(&refused(close(&bench, &id, "").await)), "BREACH_STATE");
    assert_eq!(reason(&refused(close(&bench, NOBODYS, "").await)), "BREACH_NOT_FOUND");
}

#[tokio::test]
async fn people_need_no_notice_with_reasons_or_without_a_risk() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    notify(&bench, &id, "").await.expect("notified");
    let closed = close(&bench, &id, "The list was encrypted.").await.expect("closed");
    assert_eq!(closed.people_untold_reasons, "The list was encrypted.");
    let harmless = bench.breach().await.breach_id;
    exempt(&bench, &harmless, "The list was encrypted.").await.expect("exempt");
    close(&bench, &harmless, "").await.expect("closed");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'breach.close'").await, 2);
}
