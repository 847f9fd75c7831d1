//! Staff record a breach: the 72 hours run from the moment when it was known, and operators get a notice.

use levqor_proto_compliance::v1::{
    Breach, BreachFacts, CreateBreachRequest, SweepDataRequestsRequest, breach::State,
};
use levqor_runtime::testing::{Caller, refused, violated};
use tonic::Status;

use crate::bench::{Bench, ada, facts};

async fn create(bench: &Bench, caller: &Caller, request: CreateBreachRequest) -> Result<Breach, Status> {
    let created = bench.breaches().create_breach(caller.with_key("a-breach").request(request)).await?;
    Ok(created.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn a_breach_is_recorded_once_with_a_notice_and_its_72_hours_run() {
    let bench = Bench::start().await;
    let request = CreateBreachRequest { facts: Some(facts()), aware_time: None };
    for caller in [Caller::anonymous(), ada()] {
        assert!(create(&bench, &caller, request.clone()).await.is_err(), "only staff");
    }
    let created = create(&bench, &Caller::staff(), request.clone()).await.expect("created");
    assert_eq!((created.state(), created.facts.as_ref()), (State::Open, Some(&facts())));
    let seconds = |time: Option<prost_types::Timestamp>| time.expect("a time").seconds;
    assert_eq!(seconds(created.due_time) - seconds(created.aware_time), 72 * 3_600);
    let again = create(&bench, &Caller::staff(), request).await.expect("the same");
    assert_eq!(again.breach_id, created.breach_id);
    assert_eq!(bench.count("breaches").await, 1);
    assert_eq!(bench.told("NotifyOperators", &format!("breach:{}", created.breach_id)).await, 1);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'breach.create'").await, 1);
}

#[tokio::test]
async fn missing_fields_are_named_and_a_time_in_the_future_is_refused() {
    let bench = Bench::start().await;
    let empty = CreateBreachRequest { facts: Some(BreachFacts::default()), aware_time: None };
    let status = refused(create(&bench, &Caller::staff(), empty).await);
    let missing = ["facts.description", "facts.consequences", "facts.measures", "facts.data_kinds"];
    assert_eq!(violated(&status), missing);
    let none = refused(create(&bench, &Caller::staff(), CreateBreachRequest::default()).await);
    assert_eq!(violated(&none), ["facts"]);
    let later = prost_types::Timestamp { seconds: 32_503_680_000, nanos: 0 };
    let future = CreateBreachRequest { facts: Some(facts()), aware_time: Some(later) };
    assert_eq!(violated(&refused(create(&bench, &Caller::staff(), future).await)), ["aware_time"]);
}

#[tokio::test]
async fn operators_get_one_notice_of_each_share_of_the_72_hours_and_of_their_end() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    for (share, expected) in [("0.4", 0), ("0.51", 1), ("0.6", 1), ("0.81", 2), ("0.96", 3), ("1.1", 4)] {
        // As if that share of the time was over now.
        let sql = format!(
            "UPDATE breaches SET aware_time = runtime.now() - interval '72 hours' * {share},
                                 due_time = runtime.now() + interval '72 hours' * (1 - {share})"
        );
        bench.execute(&sql).await;
        for _ in 0..2 {
            let caller = Caller::service("compliance", "compliance");
            let swept = bench.client().sweep_data_requests(caller.request(SweepDataRequestsRequest {})).await;
            swept.expect("swept");
            assert_eq!(bench.told("NotifyOperators", "breach:%:due:%").await, expected, "{share}");
        }
    }
    assert_eq!(bench.told("NotifyOperators", &format!("breach:{id}:due:100")).await, 1);
}
