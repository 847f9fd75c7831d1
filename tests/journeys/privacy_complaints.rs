//! A complaint about personal data that came by the form of the website: compliance acknowledges it, staff answer it, and each mail goes
//! out once. And the evidence of a data request, which names the mails about it.

use std::io::{Cursor, Read};

use chrono::TimeDelta;
use levqor_runtime::testing::{self, eventually};
use serde_json::{Value, json};

use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
};

#[tokio::test]
async fn a_complaint_about_personal_data_goes_from_the_form_to_its_outcome() {
    let provider = FakeMail::start();
    let settings = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())];
    let mesh = Mesh::start_with(&settings).await;
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let form = json!({"form_token": token, "subject": "My data", "description": "You sent it to somebody else.",
                      "email": "ada@example.com", "category": "CATEGORY_PERSONAL_DATA"});
    let created = mesh.anon().post("/v1/complaints", form).await;
    let id = created.str("/number").to_owned();
    assert_eq!(id.len(), 36, "{}", created.text);
    let path = format!("/v1/privacy-complaints/{id}");
    eventually("compliance has it", || async {
        (mesh.staff().get(&path).await.str("/privacy_complaint/state") == "STATE_ACKNOWLEDGED").then_some(())
    })
    .await;
    mesh.settle().await;
    let about = |text: &str| {
        let mails = provider.accepted();
        mails.iter().filter(|mail| mail.text.contains(&id) && mail.text.contains(text)).count()
    };
    assert_eq!(about("We have your complaint about how we use personal data."), 1);
    let outcome = json!({"outcome": "We are sorry. It will not happen again."});
    let answered = mesh.staff().post(&format!("{path}:answer"), outcome).await;
    assert_eq!(answered.str("/privacy_complaint/state"), "STATE_ANSWERED", "{}", answered.text);
    mesh.settle().await;
    assert_eq!(about("It will not happen again."), 1);
    assert_eq!(about("Information Commissioner"), 2, "both mails name the regulator");
    assert_eq!(testing::count(mesh.support_db(), "tickets").await, 0, "it is no ticket");
    let hers = mesh.customer("ada").get("/v1/privacy-complaints").await;
    assert_eq!(hers.list("privacy_complaints").len(), 1, "the address is hers: {}", hers.text);
    mesh.finish().await;
}

#[tokio::test]
async fn the_evidence_of_a_request_has_the_mails_that_went_out_and_the_entries_of_all_chains() {
    let mesh = Mesh::start().await;
    let created = mesh.customer("ada").post("/v1/data-requests", json!({"right": "RIGHT_ERASURE"})).await;
    let id = created.str("/data_request/data_request_id").to_owned();
    mesh.settle().await;
    let packed = mesh.staff().download(&format!("/v1/data-requests/{id}/evidence:download")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(packed)).expect("a ZIP");
    let mut read = |name: &str| -> Value {
        let mut text = String::new();
        zip.by_name(name).expect(name).read_to_string(&mut text).expect("text");
        assert!(!text.contains("ada@example.com"), "{name}: {text}");
        serde_json::from_str(&text).expect("JSON")
    };
    assert_eq!(read("manifest.json")["unanswered"], json!([]), "every service answered");
    let notices = read("notices.json");
    assert_eq!(notices[0]["template"], "data_request_progress", "{notices}");
    assert_eq!(notices[0]["state"], "STATE_SENT", "{notices}");
    assert_eq!(read("history.json")["entries"][0]["action"], "data_request.create");
    mesh.finish().await;
}
