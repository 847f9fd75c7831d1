//! `MeasureComponents`: a minute counts once; a component that does not answer is down; announced maintenance does not count.

use chrono::TimeDelta;
use levqor_proto_support::v1::{Component, MeasureComponentsRequest};
use levqor_runtime::testing::{Caller, eventually};

use super::create_incident::maintenance;
use crate::bench::Bench;

impl Bench {
    /// Takes the slots of the next three days, so that only the test measures, and deletes earlier measurements.
    pub(crate) async fn measure_alone(&self) {
        self.execute(
            "INSERT INTO runtime.schedule_slots (schedule, slot, run_time)
             SELECT 'measure_components', date_trunc('minute', runtime.now()) + make_interval(mins => n), runtime.now()
             FROM generate_series(-1, 3 * 24 * 60) AS n
             ON CONFLICT DO NOTHING",
        )
        .await;
        eventually("no measurement is on its way", || async {
            (self.count("runtime.work WHERE rpc LIKE '%/MeasureComponents'").await == 0).then_some(())
        })
        .await;
        self.execute("DELETE FROM component_days").await;
    }

    async fn measure(&self) {
        let own = Caller::service("support", "support").request(MeasureComponentsRequest {});
        let measured = self.incidents().measure_components(own).await.expect("measured").into_inner();
        assert_eq!((measured.up, measured.down), (1, 3), "only support runs here");
    }
}

#[tokio::test]
async fn minutes_count_once_and_maintenance_does_not_count() {
    let bench = Bench::start().await;
    bench.measure_alone().await;
    // About a second into a minute: both measurements are in it.
    let second = bench.now_seconds().await % 60;
    bench.advance(TimeDelta::seconds(61 - second)).await;
    bench.measure().await;
    bench.measure().await;
    let status = bench.public_status().await.components;
    let of = |component: Component| status.iter().find(|it| it.component() == component).expect("measured");
    assert_eq!(
        (of(Component::Support).up, of(Component::Support).uptime_this_month),
        (Some(true), Some(100.0))
    );
    assert_eq!(
        (of(Component::Billing).up, of(Component::Billing).uptime_this_month),
        (Some(false), Some(0.0))
    );
    assert_eq!(
        bench.count("component_days WHERE up_count + down_count = 1").await,
        4,
        "a minute counts once"
    );
    let announced = maintenance(&bench, 25).await;
    bench.incidents().create_incident(Caller::staff().request(announced)).await.expect("announced");
    bench.advance(TimeDelta::minutes(25 * 60 + 30)).await;
    bench.measure().await;
    let sql = "component_days WHERE component = 'BILLING' AND maintenance_count > 0 AND down_count = 0";
    assert_eq!(bench.count(sql).await, 1);
}
