//! Staff record that the regulator was notified: in time, or late with reasons.

use levqor_proto_compliance::v1::{
    Breach, RecordRegulatorNoticeRequest, SweepDataRequestsRequest, breach::State,
};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{Bench, NOBODYS},
    exempt_breach::exempt,
};

pub(crate) async fn notify(bench: &Bench, id: &str, delay_reasons: &str) -> Result<Breach, Status> {
    let request = RecordRegulatorNoticeRequest {
        breach_id: id.to_owned(),
        notice_time: None,
        reference: "IC-1234".to_owned(),
        delay_reasons: delay_reasons.to_owned(),
    };
    let notified = bench.breaches().record_regulator_notice(Caller::staff().request(request)).await?;
    Ok(notified.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn a_notice_to_the_regulator_ends_the_72_hours_and_their_notices() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    let sweep = async || {
        let caller = Caller::service("compliance", "compliance");
        let swept = bench.client().sweep_data_requests(caller.request(SweepDataRequestsRequest {})).await;
        swept.expect("swept");
    };
    let hours = |hours: i32| {
        format!(
            "UPDATE breaches SET aware_time = runtime.now() - interval '{hours} hours',
                                 due_time = runtime.now() + interval '72 hours' - interval '{hours} hours'"
        )
    };
    bench.execute(&hours(40)).await;
    sweep().await;
    let notified = notify(&bench, &id, "").await.expect("notified");
    let notice = notified.regulator_notice.as_ref().expect("a notice");
    assert_eq!((notified.state(), notice.reference.as_str()), (State::Notified, "IC-1234"));
    assert_eq!(bench.told("EndOperatorNotice", &format!("breach:{id}:due:50:end:%")).await, 1);
    bench.execute(&hours(80)).await;
    sweep().await;
    assert_eq!(bench.told("NotifyOperators", "breach:%:due:%").await, 1, "nothing more is told");
    let again = refused(notify(&bench, &id, "Nobody was there.").await);
    assert_eq!(reason(&again), "BREACH_STATE", "it was told already");
}

#[tokio::test]
async fn a_late_notice_needs_reasons_and_its_time_is_between_the_breach_and_now() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    let late = "UPDATE breaches SET aware_time = runtime.now() - interval '80 hours',
                                    due_time = runtime.now() - interval '8 hours'";
    bench.execute(late).await;
    assert_eq!(violated(&refused(notify(&bench, &id, "").await)), ["delay_reasons"]);
    for seconds in [0, 32_503_680_000] {
        let request = RecordRegulatorNoticeRequest {
            breach_id: id.clone(),
            notice_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..Default::default()
        };
        let status =
            refused(bench.breaches().record_regulator_notice(Caller::staff().request(request)).await);
        assert_eq!(violated(&status), ["notice_time"]);
    }
    let notified = notify(&bench, &id, "Nobody was there.").await.expect("notified");
    assert_eq!(notified.regulator_notice.expect("a notice").delay_reasons, "Nobody was there.");
    assert_eq!(reason(&refused(notify(&bench, NOBODYS, "").await)), "BREACH_NOT_FOUND");
}

#[tokio::test]
async fn the_regulator_can_be_notified_after_an_exemption() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    exempt(&bench, &id, "The list was encrypted.").await.expect("exempt");
    let notified = notify(&bench, &id, "").await.expect("notified");
    assert_eq!(notified.state(), State::Notified);
    assert!(notified.exemption.is_some(), "the earlier decision is kept");
}
