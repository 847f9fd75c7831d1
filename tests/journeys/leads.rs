//! The forms of the website, a complaint, and an emergency, as people send them.

use chrono::TimeDelta;
use levqor_runtime::testing::{self, eventually};
use serde_json::json;

use super::order_work::HOLD_DELIVERIES;
use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
    stripe::paid_checkout,
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
    // No address has confirmed: the steps pass, and no mail is sent.
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

/// Ada got the guide, and agreed to advertising by the link of the double opt-in. Two mails were sent.
async fn agreed() -> (FakeMail, Mesh) {
    let (provider, mesh, token) = mesh_with_token().await;
    let form = json!({"form_token": token, "name": "Ada", "email": "ada@example.com", "business_type": "agency",
                      "problem": "automate", "phone": "1", "marketing_consent": true});
    assert_eq!(mesh.anon().post("/api/lead-magnet", form).await.status, 200);
    let link = |text: &str| {
        let mut words = text.split_whitespace();
        words.find_map(|word| word.find("/newsletter/confirm/").map(|place| word[place..].to_owned()))
    };
    let confirm = eventually("the question comes", || async {
        provider.accepted().iter().find_map(|mail| link(&mail.text))
    })
    .await;
    assert_eq!(mesh.anon().form(confirm.trim_end_matches('>'), "").await.status, 200);
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 2);
    (provider, mesh)
}

async fn flow_ends(mesh: &Mesh, reason: &str) {
    eventually("the flow ends", || async {
        let ended = format!("leads WHERE next_step IS NULL AND flow_end = '{reason}'");
        (testing::count(mesh.support_db(), &ended).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_person_who_agreed_gets_the_three_mails_after_the_guide_in_order() {
    let (provider, mesh) = agreed().await;
    let subjects = [
        "Quick automation tip for you",
        "An example: invoices that file themselves",
        "Last email (promise!)",
    ];
    for (n, subject) in (2..).zip(subjects) {
        mesh.advance(TimeDelta::hours(25)).await;
        let mail = eventually("the mail comes", || async { provider.accepted().get(n).cloned() }).await;
        assert_eq!(mail.subject, subject);
        // The provider has the mail. If a day passed before we know that, the mail would be in doubt.
        mesh.settle().await;
    }
    flow_ends(&mesh, "DONE").await;
    assert_eq!(provider.accepted().len(), 5);
    mesh.finish().await;
}

#[tokio::test]
async fn a_purchase_ends_the_mails_after_the_guide_including_a_pending_one() {
    let (provider, mesh) = agreed().await;
    testing::execute(mesh.notifications_db(), HOLD_DELIVERIES).await;
    mesh.advance(TimeDelta::hours(25)).await;
    let staff = mesh.staff();
    let tip = async |state: &str| {
        let tips = staff.get(&format!("/v1/messages?template=followup_value&state={state}")).await;
        tips.list("messages").first().map(|found| found["message_id"].clone())
    };
    eventually("the first mail waits", || async { tip("STATE_PENDING").await }).await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    mesh.settle().await;
    mesh.advance(TimeDelta::hours(25)).await;
    eventually("it is cancelled", || async { tip("STATE_CANCELLED").await }).await;
    flow_ends(&mesh, "PURCHASED").await;
    assert!(provider.accepted().iter().all(|mail| mail.subject != "Quick automation tip for you"));
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
