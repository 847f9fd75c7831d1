//! Consents and objections as people give and withdraw them: the ledger has each with its proof, and the services act by it.

use chrono::TimeDelta;
use levqor_proto::mail::v1::{FollowupValue, SendMessageRequest, send_message_request::Content};
use levqor_runtime::{
    deferred::defer,
    testing::{count, eventually},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    databases::named,
    fakes::mail::{API_KEY, FakeMail},
    harness::{Answer, Mesh},
};

const ADA: &str = "ada@example.com";

async fn mesh_with_mail(provider: &FakeMail) -> Mesh {
    let url = provider.url();
    Mesh::start_with(&[("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url)]).await
}

/// The path of a link in a text.
fn path(text: &str, begin: &str) -> String {
    let found =
        text.split_whitespace().find_map(|word| word.find(begin).map(|place| word[place..].to_owned()));
    found.unwrap_or_else(|| panic!("no link to {begin} in {text}")).trim_end_matches('>').to_owned()
}

/// Posts a form, as a browser does.
async fn post_form(mesh: &Mesh, path: &str, form: &str) -> Answer {
    let http = levqor_runtime::client::http_client().expect("client");
    let request = http.post(format!("{}{path}", mesh.url));
    Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned()))
        .await
}

/// Requests an advertising mail.
async fn tip(mesh: &Mesh, about: &str) {
    let request = SendMessageRequest {
        recipient: ADA.to_owned(),
        about: about.to_owned(),
        content: Some(Content::FollowupValue(FollowupValue { customer_name: "Ada".to_owned() })),
        ..SendMessageRequest::default()
    };
    let mut tx = mesh.billing().db.begin().await.expect("a transaction");
    defer(&mut tx, &request, about).await.expect("deferred");
    tx.commit().await.expect("committed");
    mesh.settle().await;
}

/// The current decision about a purpose.
fn standing<'a>(answer: &'a Answer, purpose: &str) -> &'a Value {
    let purpose = format!("CONSENT_PURPOSE_{purpose}");
    let found = answer.list("standings").iter().find(|it| it["purpose"] == purpose.as_str());
    found.unwrap_or_else(|| panic!("{purpose}: {}", answer.text))
}

#[tokio::test]
async fn mail_unsubscribe_ledger_preference_centre() {
    let provider = FakeMail::start();
    let mesh = mesh_with_mail(&provider).await;
    let body = json!({"email": ADA, "categories": ["NEWSLETTER_CATEGORY_EDUCATIONAL_CONTENT"]});
    assert_eq!(mesh.anon().post("/v1/newsletter-subscriptions", body).await.status, 200);
    let nth = |n: usize| {
        let provider = &provider;
        eventually("the mail is sent", move || async move { provider.accepted().get(n).cloned() })
    };
    let confirm = path(&nth(0).await.text, "/newsletter/confirm/");
    assert_eq!(post_form(&mesh, &confirm, "").await.status, 200);
    tip(&mesh, "tip:1").await;
    let unsubscribe =
        path(nth(1).await.headers["List-Unsubscribe"].as_str().expect("a header"), "/unsubscribe/");
    assert_eq!(post_form(&mesh, &unsubscribe, "List-Unsubscribe=One-Click").await.status, 200);
    mesh.settle().await;

    // The ledger has both decisions, with the shown text.
    let listed = mesh.staff().get(&format!("/v1/consents?email={ADA}")).await;
    let shown: Vec<_> = listed
        .list("consents")
        .iter()
        .map(|it| (it["given"] == true, it["source"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(shown, [(false, "unsubscribe"), (true, "double_opt_in")], "{}", listed.text);
    assert!(listed.list("consents").iter().all(|it| it["shown_sha256"].as_str().map(str::len) == Some(64)));
    let state = mesh.customer("ada").get("/v1/consents:current").await;
    let tips = standing(&state, "MAIL_EDUCATIONAL_CONTENT");
    assert!(tips["given"] == false && tips["decided"] == true, "{}", state.text);

    // The preference centre shows it, and shows what she agrees to by her account.
    let preferences = path(&nth(2).await.text, "/preferences/");
    assert!(!mesh.anon().get(&preferences).await.text.contains(" checked"));
    let choices = json!({"choices": [{"purpose": "CONSENT_PURPOSE_MAIL_EDUCATIONAL_CONTENT", "given": true}],
                         "shown_version": "account-1", "shown_text": "Tips by mail?"});
    assert_eq!(mesh.customer("ada").post("/v1/consents", choices).await.status, 200);
    mesh.settle().await;
    let page = mesh.anon().get(&preferences).await.text;
    assert!(page.contains("value=\"EDUCATIONAL_CONTENT\" checked"), "{page}");
    mesh.finish().await;
}

#[tokio::test]
async fn a_visitor_decides_about_cookies_and_the_browsers_signal_is_honoured() {
    let mesh = Mesh::start().await;
    let file = mesh.anon().get("/.well-known/gpc.json").await;
    assert!(file.status == 200 && file.json["gpc"] == true, "{}", file.text);
    let choices = json!({"choices": [{"purpose": "CONSENT_PURPOSE_COOKIES_MARKETING", "given": true}]});
    let given = mesh.anon().post("/v1/consents", choices.clone()).await;
    assert_eq!(standing(&given, "COOKIES_MARKETING")["given"], true, "{}", given.text);
    assert_eq!(standing(&given, "COOKIES_ANALYTICS")["decided"], false, "nothing is ticked in advance");
    let visitor = given.str("/visitor_id").to_owned();

    let http = levqor_runtime::client::http_client().expect("client");
    let mut body = choices;
    body["visitor_id"] = json!(visitor);
    let request = http.post(format!("{}/v1/consents", mesh.url)).header("Sec-GPC", "1");
    let signalled = Answer::of(request.header("user-agent", "Firefox/150").json(&body)).await;
    assert_eq!(standing(&signalled, "COOKIES_MARKETING")["given"], false, "{}", signalled.text);
    let state = mesh.anon().get(&format!("/v1/consents:current?visitor_id={visitor}")).await;
    assert_eq!(standing(&state, "COOKIES_MARKETING")["given"], false, "{}", state.text);
    let proof =
        "declarations WHERE by_signal AND client_program = 'Firefox/150' AND client_network = '127.0.0.0/24'";
    assert_eq!(count(mesh.compliance_db(), proof).await, 1);
    mesh.finish().await;
}

#[tokio::test]
async fn every_service_that_acts_honours_an_objection_and_it_can_be_ended() {
    let provider = FakeMail::start();
    let mesh = mesh_with_mail(&provider).await;
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let form = json!({"form_token": token, "name": "Ada", "email": ADA, "business_type": "agency",
                      "problem": "automate", "phone": "1"});
    assert_eq!(mesh.anon().post("/api/lead-magnet", form.clone()).await.status, 200);
    mesh.settle().await;
    assert_eq!(count(mesh.support_db(), "leads WHERE score = 85").await, 1);

    let all = json!({"scope": "OBJECTION_SCOPE_ALL", "objects": true});
    let set = mesh.customer("ada").post("/v1/objections", all).await;
    assert_eq!(set.json["standings"]["all"], true, "{}", set.text);
    mesh.settle().await;
    assert_eq!(count(mesh.support_db(), "leads WHERE score IS NOT NULL").await, 0, "the score is taken away");
    let suppressed = "suppressions WHERE reason = 'OBJECTION' AND recipient = 'ada@example.com'";
    assert_eq!(count(mesh.notifications_db(), suppressed).await, 1);
    for (_, db) in named(mesh.databases()).filter(|(service, _)| *service != "compliance") {
        assert_eq!(count(db, "runtime.objections WHERE stands AND owner_sub = 'ada'").await, 4);
    }
    // The flow that follows the guide ends without a mail.
    for _ in 0..3 {
        mesh.advance(TimeDelta::hours(25)).await;
        mesh.settle().await;
    }
    eventually("the flow ends", || async {
        (count(mesh.support_db(), "leads WHERE flow_end = 'NOT_ALLOWED'").await == 1).then_some(())
    })
    .await;
    assert_eq!(mesh.anon().post("/api/lead-magnet", fresh(&mesh, &form).await).await.status, 200);
    assert_eq!(count(mesh.support_db(), "leads WHERE score IS NULL").await, 2, "a new lead gets no score");

    let end = json!({"scope": "OBJECTION_SCOPE_PROFILING", "objects": false});
    let ended = mesh.customer("ada").post("/v1/objections", end).await;
    assert!(ended.json["standings"]["profiling"] == false && ended.json["standings"]["marketing"] == true);
    mesh.settle().await;
    assert_eq!(mesh.anon().post("/api/lead-magnet", fresh(&mesh, &form).await).await.status, 200);
    assert_eq!(count(mesh.support_db(), "leads WHERE score = 85").await, 1);
    let history = mesh.customer("ada").get("/v1/objections").await;
    assert_eq!(history.list("objections").len(), 5, "{}", history.text);
    mesh.finish().await;
}

/// The same form with a new token.
async fn fresh(mesh: &Mesh, form: &Value) -> Value {
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let mut form = form.clone();
    form["form_token"] = json!(token);
    form
}

#[tokio::test]
async fn texts_with_high_risk_data_are_not_taken_and_harmless_ones_are() {
    let mesh = Mesh::start().await;
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let ticket = async |text: &str| {
        let body = json!({"subject": "Help", "text": text});
        mesh.customer("ada").post("/v1/tickets", body).await
    };
    let chat = async |text: &str| mesh.anon().post("/v1/conversations", json!({"text": text})).await;
    let form = async |text: &str| {
        let body = json!({"form_token": token, "name": "Ada", "email": ADA, "message": text});
        mesh.anon().post("/v1/sales-leads", body).await
    };
    let begun = mesh.customer("ada").post("/v1/conversations", json!({})).await;
    let posting = format!("/v1/conversations/{}:post", begun.str("/conversation/conversation_id"));
    let post = async |text: &str| mesh.customer("ada").post(&posting, json!({"text": text})).await;
    let opened = ticket("It does not work.").await;
    let replying = format!("/v1/tickets/{}:reply", opened.str("/ticket/ticket_id"));
    let reply = async |text: &str| mesh.customer("ada").post(&replying, json!({"text": text})).await;
    let order = super::order_work::paid(&mesh, "ada").await;
    let intake = async |text: &str| {
        let body = json!({"answers": {"goal": text}});
        mesh.customer("ada").call(Method::PATCH, &format!("{order}/intake"), Some(body)).await
    };
    let harmless = "We have an issue with tissue paper.";
    for answer in [
        ticket(harmless).await,
        reply(harmless).await,
        chat(harmless).await,
        post(harmless).await,
        form(harmless).await,
        intake(harmless).await,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    // On a busy machine the screen may not answer in time: then a text passes with a warning.
    let refused = |answer: Answer| answer.text.contains("HIGH_RISK_DATA").then_some(answer.status);
    let blocked = "Sort our patient records.";
    let statuses = [
        eventually("the ticket is refused", || async { refused(ticket(blocked).await) }).await,
        eventually("the reply is refused", || async { refused(reply(blocked).await) }).await,
        eventually("the first message is refused", || async { refused(chat(blocked).await) }).await,
        eventually("the message is refused", || async { refused(post(blocked).await) }).await,
        eventually("the form is refused", || async { refused(form(blocked).await) }).await,
        eventually("the answer is refused", || async { refused(intake(blocked).await) }).await,
    ];
    assert_eq!(statuses, [422; 6]);
    let wants_a_person = chat("Sort our patient records. I want to talk to a person.").await;
    assert_eq!(wants_a_person.status, 200, "{}", wants_a_person.text);
    mesh.finish().await;
}

/// Sends a text until operators get a notice of its legal terms: on a busy machine the screen may give no answer in time.
async fn assert_told(mesh: &Mesh, what: &str, send: impl AsyncFn() -> Answer) {
    let told = format!("operator_notices WHERE kind = 'HIGH_RISK_TEXT' AND about LIKE '{what}:%:LEGAL:%'");
    eventually("operators are told", || async {
        let answer = send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        mesh.settle().await;
        (count(mesh.notifications_db(), &told).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn operators_get_a_notice_of_texts_with_terms_that_only_warn() {
    let mesh = Mesh::start().await;
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let order = super::order_work::paid(&mesh, "ada").await;
    let text = "Our solicitor handles litigation.";
    let ticket = json!({"subject": "Help", "text": text});
    assert_told(&mesh, "ticket", async || mesh.customer("ada").post("/v1/tickets", ticket.clone()).await)
        .await;
    let chat = json!({"text": text});
    assert_told(&mesh, "conversation", async || mesh.anon().post("/v1/conversations", chat.clone()).await)
        .await;
    let form = json!({"form_token": token, "name": "Ada", "email": ADA, "message": text});
    assert_told(&mesh, "lead", async || mesh.anon().post("/v1/sales-leads", form.clone()).await).await;
    let (path, intake) = (format!("{order}/intake"), json!({"answers": {"goal": text}}));
    let answer = async || mesh.customer("ada").call(Method::PATCH, &path, Some(intake.clone())).await;
    assert_told(&mesh, "order", answer).await;
    mesh.finish().await;
}
