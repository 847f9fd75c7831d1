//! The work on an order, from the intake form with a file to the accepted delivery; with an account, and by the link in the mail.

use chrono::TimeDelta;
use levqor_runtime::testing::{self, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Actor, Mesh},
    stripe::paid_checkout,
};

const PDF: &[u8] = b"%PDF-1.7\n%what has to be automated";

/// Answers to every required question of a form.
fn answers(intake: &Value) -> Value {
    let questions = intake["questions"].as_array().expect("questions").iter();
    let answer = |question: &Value| match question["kind"].as_str() {
        Some("KIND_CHOICE") => question["choices"][0].clone(),
        Some("KIND_NUMBER") => json!("12"),
        Some("KIND_URL") => json!("https://example.com"),
        _ => json!("Copying orders from mails into a sheet."),
    };
    let required = questions.filter(|question| question["required"] == json!(true));
    required
        .map(|question| (question["question_id"].as_str().expect("an id").to_owned(), answer(question)))
        .collect()
}

/// An order that this person paid.
pub(super) async fn paid(mesh: &Mesh, name: &str) -> String {
    mesh.deliver(&paid_checkout("1", name)).await;
    mesh.settle().await;
    let path = "/v1/orders?stripe_checkout_session_id=cs_test_1";
    format!("/v1/orders/{}", mesh.staff().get(path).await.str("/orders/0/order_id"))
}

/// Does a step of the work, which leads to this state.
async fn step(who: &Actor<'_>, path: &str, body: Value, state: &str) {
    let answer = who.post(path, body).await;
    assert_eq!(
        (answer.status, answer.str("/order/fulfilment_state")),
        (200, state),
        "{path}: {}",
        answer.text
    );
}

/// Delivers the work on an order.
async fn deliver(staff: &Actor<'_>, order: &str) {
    step(staff, &format!("{order}:start"), json!({}), "FULFILMENT_STATE_IN_PROGRESS").await;
    let checklist = json!({"tested": true, "error_free": true, "naming": true, "documented": true});
    let delivery = json!({"checklist": checklist, "note": "It runs in your account."});
    step(staff, &format!("{order}:deliver"), delivery, "FULFILMENT_STATE_DELIVERED").await;
}

/// The subjects of the mails to an address, the oldest first.
async fn subjects(mesh: &Mesh, name: &str) -> Vec<String> {
    let mails = mesh.staff().get(&format!("/v1/messages?recipient={name}@example.com")).await;
    let mut subjects: Vec<_> = mails
        .list("messages")
        .iter()
        .map(|mail| mail["template"].as_str().expect("a template").to_owned())
        .collect();
    subjects.sort();
    subjects
}

/// Does the work on an order that Alice paid: the intake form with a file, delivery, a revision, delivery, and acceptance.
pub(super) async fn do_all(mesh: &Mesh, order: &str) {
    let (alice, staff) = (mesh.customer("alice"), mesh.staff());
    let intake = format!("{order}/intake");
    let form = alice.get(&intake).await;
    let saved =
        alice.call(Method::PATCH, &intake, Some(json!({"answers": answers(&form.json["intake"])}))).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let brief = alice.upload(&format!("{order}/files?name=brief.pdf"), PDF.to_vec()).await;
    assert_eq!((brief.status, brief.str("/file/content_type")), (200, "application/pdf"), "{}", brief.text);
    step(&alice, &format!("{intake}:submit"), json!({}), "FULFILMENT_STATE_INTAKE_SUBMITTED").await;
    deliver(&staff, order).await;
    let result = staff.upload(&format!("{order}/files?name=result.txt"), b"Done.".to_vec()).await;
    let result = format!("{order}/files/{}:download", result.str("/file/file_id"));
    assert_eq!(alice.get(&result).await.text, "Done.");
    step(
        &alice,
        &format!("{order}:revise"),
        json!({"note": "No header."}),
        "FULFILMENT_STATE_REVISION_REQUESTED",
    )
    .await;
    deliver(&staff, order).await;
    step(&alice, &format!("{order}:accept"), json!({}), "FULFILMENT_STATE_ACCEPTED").await;
    let shown = alice.get(order).await;
    let kinds: Vec<_> =
        shown.list("events").iter().map(|event| event["kind"].as_str().expect("a kind")).collect();
    assert_eq!(
        kinds,
        [
            "KIND_PAID",
            "KIND_INTAKE_SUBMITTED",
            "KIND_STARTED",
            "KIND_DELIVERED",
            "KIND_REVISION_REQUESTED",
            "KIND_STARTED",
            "KIND_DELIVERED",
            "KIND_ACCEPTED",
        ]
    );
    assert_eq!(shown.list("files").len(), 2);
    mesh.settle().await;
    assert_eq!(
        subjects(mesh, "alice").await,
        [
            "order_accepted",
            "order_delivered",
            "order_delivered",
            "order_intake_received",
            "order_intake_request",
            "order_revision_received",
            "order_started",
            "order_started",
            "order_welcome",
        ]
    );
}

#[tokio::test]
async fn an_order_goes_from_the_intake_with_a_file_to_delivery_revision_and_acceptance() {
    let mesh = Mesh::start().await;
    let order = paid(&mesh, "alice").await;
    Box::pin(do_all(&mesh, &order)).await;
    mesh.finish().await;
}

/// The token of the link in the mail that requests the intake form.
async fn link(mesh: &Mesh) -> String {
    let mails = mesh.staff().get("/v1/messages?template=order_intake_request").await;
    let path = format!("/v1/messages/{}/preview?format=FORMAT_TEXT", mails.str("/messages/0/message_id"));
    let text = mesh.staff().get(&path).await.text;
    let after = text.split("order?link=").nth(1).expect("a link");
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[tokio::test]
async fn a_guest_fills_in_the_form_by_the_link_and_finds_the_order_after_signing_in() {
    let mesh = Mesh::start().await;
    let order = paid(&mesh, "carol").await;
    let anon = mesh.anon();
    assert_eq!(anon.get(&order).await.status, 401);
    let linked = format!("/v1/order-links/{}", link(&mesh).await);
    let form = anon.get(&linked).await;
    assert_eq!((form.status, form.str("/order/customer_email")), (200, "carol@example.com"), "{}", form.text);
    let answers = json!({"answers": answers(&form.json["intake"])});
    let saved = anon.call(Method::PATCH, &format!("{linked}/intake"), Some(answers)).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let brief = anon.upload(&format!("{linked}/files?name=brief.pdf"), PDF.to_vec()).await;
    assert_eq!(brief.status, 200, "{}", brief.text);
    let state = "FULFILMENT_STATE_INTAKE_SUBMITTED";
    step(&anon, &format!("{linked}/intake:submit"), json!({}), state).await;
    let file = format!("{linked}/files/{}:download", brief.str("/file/file_id"));
    assert_eq!(anon.get(&file).await.text.as_bytes(), PDF);
    assert_eq!(anon.get("/v1/order-links/1").await.status, 404);
    // She signs in with the address that she bought with.
    let carol = mesh.customer("carol");
    assert_eq!(carol.get("/v1/orders").await.str("/orders/0/fulfilment_state"), state);
    assert_eq!(carol.get(&order).await.list("files").len(), 1);
    mesh.finish().await;
}

/// Deliveries of mails wait for a day from now on, in notifications' database.
pub(super) const HOLD_DELIVERIES: &str = "
    CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.due_time := NEW.due_time + interval '1 day'; RETURN NEW; END $$;
    CREATE TRIGGER held BEFORE INSERT ON runtime.work FOR EACH ROW
    WHEN (NEW.rpc LIKE '%/DeliverMessage') EXECUTE FUNCTION held()";

#[tokio::test]
async fn a_pending_reminder_is_cancelled_when_the_form_arrives() {
    let mesh = Mesh::start().await;
    let order = paid(&mesh, "alice").await;
    testing::execute(mesh.notifications_db(), HOLD_DELIVERIES).await;
    mesh.advance(TimeDelta::hours(25)).await;
    let reminder = async |state: &str| {
        let path = format!("/v1/messages?template=order_intake_reminder&state={state}");
        mesh.staff().get(&path).await.list("messages").first().map(|found| found["message_id"].clone())
    };
    eventually("the reminder waits", || async { reminder("STATE_PENDING").await }).await;
    let (alice, intake) = (mesh.customer("alice"), format!("{order}/intake"));
    let form = alice.get(&intake).await;
    let answers = json!({"answers": answers(&form.json["intake"])});
    assert_eq!(alice.call(Method::PATCH, &intake, Some(answers)).await.status, 200);
    step(&alice, &format!("{intake}:submit"), json!({}), "FULFILMENT_STATE_INTAKE_SUBMITTED").await;
    mesh.advance(TimeDelta::hours(25)).await;
    eventually("the reminder is cancelled", || async { reminder("STATE_CANCELLED").await }).await;
    mesh.finish().await;
}
