//! PostgreSQL stops and starts again. Events that were answered with 200 are stored, and the others are accepted when Stripe
//! retries.

use std::path::PathBuf;

use chrono::TimeDelta;
use levqor_runtime::{db::migrations, postgres::Cluster, testing::eventually};
use sqlx::Connection;

use crate::{
    fakes::mail::webhooks::Webhook,
    harness::Mesh,
    services,
    stripe::{paid_checkout, sign},
};

/// A cluster that this test may kill.
pub(super) async fn cluster() -> (Cluster, std::process::Child) {
    let binaries = levqor_runtime::testing::binaries();
    let folder = PathBuf::from(format!("/tmp/levqor-fault-{}", levqor_runtime::id::request_id()));
    let cluster = Cluster::new(binaries, &folder, false).expect("cluster");
    cluster.start().expect("started");
    let remover = cluster.remove_with_this_process().expect("remover");
    let server = cluster.database("postgres").expect("url");
    let mut conn = sqlx::PgConnection::connect_with(server.options()).await.expect("answers");
    for service in services::ALL {
        let name = service.name();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut conn)
            .await
            .expect("made");
        migrations::migrate(&cluster.database(name).expect("url"), service.migrator())
            .await
            .expect("migrated");
    }
    (cluster, remover)
}

#[tokio::test]
async fn nothing_is_lost_when_postgresql_dies_and_comes_back() {
    let (cluster, _remover) = cluster().await;
    let urls = services::ALL.iter().map(|service| cluster.database(service.name()).expect("url"));
    let mesh = Mesh::start_on(urls.collect()).await;
    assert_eq!(mesh.deliver(&paid_checkout("before", "alice")).await.status, 200);

    cluster.kill().expect("killed");
    let body = paid_checkout("meanwhile", "alice").to_string();
    let signature = sign(&body);
    let refused = mesh.post_webhook("/webhooks/stripe", &signature, body.clone()).await;
    assert_eq!(refused.status, 503, "an event that cannot be stored is not acknowledged: {}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    assert!(!refused.text.contains("postgres") && !refused.text.contains("socket"), "{}", refused.text);
    // The webhook of the mail provider is refused too.
    let told = Webhook::of(r#"{"type":"email.opened"}"#);
    let refused = mesh.tell(&told).await;
    assert_eq!((refused.status, refused.str("/reason")), (503, "NOT_TAKEN"), "{}", refused.text);
    // Each service asks its database every second.
    eventually("not ready", || async {
        (mesh.anon().get("/health/ready").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(mesh.anon().get("/health/live").await.status, 200);

    cluster.start().expect("started again");
    // Stripe retries. None of our processes was restarted.
    eventually("the retry is taken", || async {
        let retry = mesh.post_webhook("/webhooks/stripe", &signature, body.clone()).await;
        (retry.status == 200).then_some(())
    })
    .await;
    eventually("the retry of the mail provider is taken", || async {
        let retry = mesh.tell(&told).await;
        (retry.status == 200 && retry.json["duplicate"] == false).then_some(())
    })
    .await;
    eventually("ready again", || async {
        (mesh.anon().get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.settle().await;
    let staff = mesh.staff();
    let orders = staff.get("/v1/orders").await;
    let mut sessions: Vec<_> = orders
        .list("orders")
        .iter()
        .filter_map(|order| order["stripe_checkout_session_id"].as_str())
        .collect();
    sessions.sort_unstable();
    assert_eq!(sessions, ["cs_test_before", "cs_test_meanwhile"]);
    assert_eq!(staff.get("/v1/messages?state=STATE_SENT").await.list("messages").len(), 4);
    mesh.finish().await;
}
