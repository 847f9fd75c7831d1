//! Five replicas with different clocks run each slot once.

use chrono::TimeDelta;
use levqor_runtime::{
    schedule,
    service::Service,
    testing::{TestService, database, eventually, spawn},
};

use crate::probe::{Probe, deferred, scheduled};

#[tokio::test]
async fn five_replicas_with_skewed_clocks_run_each_slot_once() {
    let url = database::<Probe>().await;
    let mut replicas = Vec::new();
    for skew in [-3600, -60, 0, 60, 3600] {
        let replica = TestService::<Probe>::start_on(url.clone(), &[]).await;
        replica.running.chassis().clock.advance(TimeDelta::seconds(skew));
        replicas.push(replica);
    }
    let first = replicas.first().expect("a replica");
    for _ in 0..6 {
        // In addition to their own loops, all five check the same instant.
        let looks = replicas.iter().map(|replica| {
            let db = replica.running.chassis().db.clone();
            spawn(async move { schedule::look(&db, &Probe::schedules()).await.expect("look") })
        });
        for look in looks.collect::<Vec<_>>() {
            look.await.expect("no panic");
        }
        // A call whose lease expires while it runs is made again: the receiver must detect that.
        eventually("what is due is made", || async { (deferred(first).await == 0).then_some(()) }).await;
        first.advance(TimeDelta::minutes(10)).await;
    }
    let slots = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM runtime.schedule_slots WHERE schedule = 'probe'")
            .fetch_one(first.db.pool())
            .await
            .expect("slots")
    };
    // The slot of the last advance is the seventh. While it is not taken, a replica may take it between two looks of this test.
    eventually("the last slot's call is made", || async {
        (slots().await >= 7 && deferred(first).await == 0).then_some(())
    })
    .await;
    assert_eq!(scheduled(first).await, slots().await);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn of_missed_slots_only_the_last_is_made_up_and_only_within_its_bound() {
    let service = crate::probe::start().await;
    let db = service.running.chassis().db.clone();
    let slots = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM runtime.schedule_slots WHERE schedule = 'missed'")
            .fetch_one(service.db.pool())
            .await
            .expect("count")
    };
    let missed = |catch_up| {
        let request = levqor_proto::runtime::v1::PurgeExpiredRequest {};
        // A period whose slot began days ago, at any current time (except in its first minute).
        [schedule::Schedule::new("missed", TimeDelta::days(300), catch_up, move || request)]
    };
    schedule::look(&db, &missed(TimeDelta::minutes(1))).await.expect("look");
    assert_eq!(slots().await, 0, "too late");
    for _ in 0..3 {
        schedule::look(&db, &missed(TimeDelta::days(300))).await.expect("look");
    }
    assert_eq!(slots().await, 1, "made up once");
    service.stop().await;
}
