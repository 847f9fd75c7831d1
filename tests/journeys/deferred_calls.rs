//! Admins look at deferred calls of any service, and replay one.

use levqor_proto::mail::v1::SendMessageRequest;
use levqor_runtime::{deferred::defer, testing::eventually};
use serde_json::json;

use crate::harness::Mesh;

#[tokio::test]
async fn an_admin_sees_a_dead_call_and_replays_it() {
    let mesh = Mesh::start().await;
    let mut tx = mesh.billing().db.begin().await.expect("begin");
    // This mail has no recipient, so it cannot be sent.
    defer(&mut tx, &SendMessageRequest { about: "order:x".to_owned(), ..Default::default() }, "dead")
        .await
        .expect("defer");
    tx.commit().await.expect("commit");
    let admin = mesh.admin();
    let dead = eventually("the call is dead", || async {
        let page = admin.get("/v1/services/billing/deferred-calls?state=STATE_DEAD").await;
        page.list("deferred_calls").first().cloned()
    })
    .await;
    assert_eq!(dead["rpc"], "levqor.mail.v1.MailService/SendMessage");
    let failure = dead["failure"].as_str().expect("failure");
    assert!(failure.starts_with("INVALID_ARGUMENT") && failure.contains("recipient"), "{failure}");
    let path = format!(
        "/v1/services/billing/deferred-calls/{}:replay",
        dead["deferred_call_id"].as_str().expect("id")
    );
    assert_eq!(mesh.staff().post(&path, json!({})).await.status, 403);
    let replayed = admin.post(&path, json!({})).await;
    assert_eq!(
        (replayed.status, replayed.str("/deferred_call/state")),
        (200, "STATE_WAITING"),
        "{}",
        replayed.text
    );
    eventually("it is dead again", || async {
        let page = admin.get("/v1/services/billing/deferred-calls?state=STATE_DEAD").await;
        (page.list("deferred_calls").len() == 1).then_some(())
    })
    .await;
    assert_eq!(mesh.take_errors().len(), 2, "each death is raised once");
    sqlx::query("DELETE FROM runtime.work").execute(mesh.billing_db().pool()).await.expect("tidy");
    mesh.finish().await;
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_not_found() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.admin().get("/v1/services/nobody/deferred-calls").await.status, 404);
    assert_eq!(mesh.admin().get("/v1/services/notifications/deferred-calls").await.status, 200);
    mesh.finish().await;
}
