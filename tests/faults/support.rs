//! Support is killed right after it answered: a lead, a complaint, an emergency and a ticket are all there afterwards, each once.

use levqor_runtime::testing::Caller;
use serde_json::json;

use super::{
    get,
    mail_provider::MailProvider,
    post_json,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::roles::Role;

#[tokio::test]
async fn answered_requests_survive_a_kill() {
    let (shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = Mesh::start(Plan::new(1, &shop, &post).await).await;
    let gateway = mesh.addresses(Role::Gateway)[0];
    let (ada, staff) = (Caller::customer("ada", "ada@example.com"), Caller::staff());
    let token = get(gateway, &Caller::anonymous(), "/v1/form-token").await.expect("a token");
    let token = token.str("/form_token").to_owned();
    mesh.advance(chrono::TimeDelta::seconds(5)).await;
    let lead =
        json!({"form_token": token, "name": "Ada", "email": "ada@example.com", "message": "Automate it"});
    let complaint = json!({"subject": "Late", "description": "It is late."});
    for (caller, path, body, list) in [
        (&Caller::anonymous(), "/v1/sales-leads", lead, "leads"),
        (&ada, "/v1/complaints", complaint, "complaints"),
        (&ada, "/v1/emergencies", json!({"summary": "Everything is down"}), "incidents"),
        (&ada, "/v1/tickets", json!({"subject": "Help", "text": "Please."}), "tickets"),
    ] {
        let support = mesh.first(Role::Support);
        let answer = post_json(gateway, caller, path, path, &body).await.expect("an answer");
        mesh.kill(support);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        mesh.spawn(support, None);
        mesh.listening(support).await;
        mesh.ready().await;
        // A client that did not get the answer sends it again.
        let again = post_json(gateway, caller, path, path, &body).await.expect("an answer");
        assert_eq!((again.status, &again.text), (200, &answer.text), "{path}");
        let listed = get(gateway, &staff, &format!("/v1/{list}")).await.expect("a list");
        // A complaint has a ticket of its own.
        let expected = if list == "tickets" { 2 } else { 1 };
        assert_eq!(listed.list(list).len(), expected, "{}", listed.text);
    }
    mesh.rest().await;
}
