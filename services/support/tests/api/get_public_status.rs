//! `GetPublicStatus`: before the first measurement there is no uptime figure.

use crate::bench::Bench;

#[tokio::test]
async fn nothing_is_claimed_that_was_not_measured() {
    let bench = Bench::start().await;
    bench.measure_alone().await;
    let status = bench.public_status().await;
    assert_eq!((status.incidents.len(), status.components.len()), (0, 4));
    let silent = |it: &levqor_proto_support::v1::ComponentStatus| {
        it.up.is_none() && it.uptime_this_month.is_none() && it.uptime_last_month.is_none()
    };
    assert!(status.components.iter().all(silent), "{status:?}");
}
