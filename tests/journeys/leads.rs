//! The forms of the website, a complaint, and an emergency, as people send them.

use chrono::TimeDelta;
use levqor_runtime::testing::eventually;
use serde_json::json;

use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
};

/// A mesh, and the token of a form that a page got a while ago.
async fn mesh_with_token() -> (FakeMail, Mesh, String) {
    let provider = FakeMail::start();
    let settings = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())];
    let mesh = Mesh::start_with(&settings).await;
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    (provider, mesh, token)
}

#[tokio::test]
async fn the_guide_is_mailed_and_followed_by_mails_only_with_permission() {
    let (provider, mesh, token) = mesh_with_token().await;
    let form = json!({"form_token": token, "name": "Ada", "email": "ada@example.com", "business_type": "agency",
                      "problem": "automate", "phone": "1", "marketing_consent": true});
    assert_eq!(mesh.anon().post("/api/lead-magnet", form).await.status, 200);
    mesh.settle().await;
    let mails = provider.accepted();
    assert_eq!(mails.len(), 2, "the guide, and the question of the double opt-in");
    let listed = mesh.staff().get("/v1/leads").await;
    assert_eq!(listed.list("leads")[0]["score"], 85, "{}", listed.text);
    // Nobody has confirmed: the steps pass, and nothing is mailed.
    for _ in 0..3 {
        mesh.advance(TimeDelta::hours(25)).await;
        mesh.settle().await;
    }
    assert_eq!(provider.accepted().len(), 2);
    eventually("the flow ends", || async {
        let sql = "SELECT count(*) FROM leads WHERE flow_end = 'NOT_ALLOWED'";
        let ended: i64 = sqlx::query_scalar(sql).fetch_one(mesh.support_db().pool()).await.expect("count");
        (ended == 1).then_some(())
    })
    .await;
    mesh.finish().await;
}

#[tokio::test]
async fn a_complaint_is_acknowledged_and_an_emergency_pages_and_is_shown_once_published() {
    let (provider, mesh, token) = mesh_with_token().await;
    let complaint = json!({"form_token": token, "subject": "Late", "description": "My order is late.",
                           "email": "ada@example.com", "category": "CATEGORY_ORDER"});
    let created = mesh.anon().post("/v1/complaints", complaint).await;
    assert_eq!(created.str("/number"), "LC-101", "{}", created.text);
    let report = json!({"summary": "Everything is down", "impact": "No sales"});
    let reported = mesh.customer("ada").post("/api/emergency/report", report).await;
    mesh.settle().await;
    assert!(provider.accepted().iter().any(|mail| mail.text.contains("LC-101")));
    let notices = mesh.staff().get("/v1/operator-notices").await;
    assert!(notices.text.contains(r#""severity":"CRITICAL""#), "{}", notices.text);
    let hidden = mesh.anon().get("/v1/status").await;
    assert_eq!(hidden.list("incidents").len(), 0, "{}", hidden.text);
    let path = format!("/v1/incidents/{}:publish", reported.str("/incident_id"));
    let words = json!({"title": "Orders are slow", "text": "We look for the cause.", "components": ["COMPONENT_BILLING"]});
    assert_eq!(mesh.staff().post(&path, words).await.status, 200);
    eventually("the public sees it", || async {
        let shown = mesh.anon().get("/v1/status").await;
        (shown.list("incidents").len() == 1 && !shown.text.contains("Everything is down")).then_some(())
    })
    .await;
    mesh.finish().await;
}
