//! A visitor's question, from beginning to end: an answer with its source, a person, a ticket, replies by mail, a solution.

use levqor_runtime::testing::{Caller, eventually};
use serde_json::{Value, json};

use crate::{
    fakes::mail::{API_KEY, Accept, FakeMail, receiving::Inbound},
    harness::{Actor, Answer, Mesh},
    stripe::paid_checkout,
};

/// Posts a message of Ada's, some seconds after the one before, and gives the turn.
async fn say(mesh: &Mesh, conversation: &str, text: &str) -> Answer {
    mesh.advance(chrono::TimeDelta::seconds(5)).await;
    let path = format!("/v1/conversations/{conversation}:post");
    let answer = mesh.customer("ada").post(&path, json!({"text": text})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

async fn nth(provider: &FakeMail, n: usize) -> Accept {
    eventually("the mail is sent", || async { provider.accepted().get(n).cloned() }).await
}

#[tokio::test]
async fn a_question_is_answered_and_a_person_solves_the_rest_by_mail() {
    let provider = FakeMail::start();
    let settings = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())];
    let mesh = Mesh::start_with(&settings).await;
    let (ada, staff) = (mesh.customer("ada"), mesh.staff());

    // A price is billing's, and the quoted article is public. Support waits less than a second for billing.
    eventually("support knows the prices", || async {
        (mesh.anon().get("/v1/articles/plan-growth").await.status == 200).then_some(())
    })
    .await;
    let question = json!({"text": "What is the price of the Growth plan?", "customer_name": "Ada"});
    let created = ada.post("/v1/conversations", question).await;
    assert!(created.str("/notice").contains("a program"), "{}", created.text);
    assert_eq!(created.str("/turn/outcome"), "OUTCOME_ANSWERED", "{}", created.text);
    assert!(created.str("/turn/reply").contains("£79 a month"), "{}", created.text);
    let slug = created.str("/turn/sources/0/slug").to_owned();
    assert_eq!(mesh.anon().get(&format!("/v1/articles/{slug}")).await.status, 200);

    // A person: the ticket is there in the same turn.
    let conversation = created.str("/conversation/conversation_id").to_owned();
    let handed = say(&mesh, &conversation, "Can I talk to a real person?").await;
    assert_eq!(handed.str("/turn/hand_off_reason"), "HAND_OFF_REASON_ASKED", "{}", handed.text);
    let ticket = handed.str("/conversation/ticket_id").to_owned();
    let opened = nth(&provider, 0).await;
    assert!(opened.to.contains("ada@example.com") && opened.text.contains("LQ-1001"), "{opened:?}");
    mesh.settle().await;
    let notices = staff.get("/v1/operator-notices").await;
    // On a busy machine the screen may give no answer in time, which makes a notice too.
    let of_ticket = |notice: &&Value| notice["kind"] == "TICKET";
    let told = notices.list("operator_notices").iter().filter(of_ticket).count();
    assert_eq!(told, 1, "{}", notices.text);

    // Staff reply and solve; Ada reads it by mail and in the chat.
    let path = format!("/v1/tickets/{ticket}");
    let replied = staff.post(&format!("{path}:reply"), json!({"text": "We have a better offer."})).await;
    assert_eq!(replied.str("/ticket/state"), "STATE_PENDING", "{}", replied.text);
    assert!(nth(&provider, 1).await.text.contains("We have a better offer."));
    let shown = ada.get(&format!("/v1/conversations/{conversation}")).await;
    assert_eq!(shown.str("/turns/2/outcome"), "OUTCOME_REPLIED", "{}", shown.text);
    assert_eq!(say(&mesh, &conversation, "Thank you!").await.str("/turn/outcome"), "OUTCOME_FORWARDED");
    assert_eq!(staff.post(&format!("{path}:solve"), json!({})).await.status, 200);
    assert!(nth(&provider, 2).await.text.contains("LQ-1001"));
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 3, "opened, replied, solved: each once");
    assert_eq!(ada.get(&path).await.str("/ticket/state"), "STATE_SOLVED");
    mesh.finish().await;
}

#[tokio::test]
async fn an_answer_is_streamed_as_events() {
    let mesh = Mesh::start().await;
    let created = mesh.anon().post("/v1/conversations", json!({})).await;
    let path = format!("/v1/conversations/{}:stream", created.str("/conversation/conversation_id"));
    let token = created.str("/conversation_token");
    let body = json!({"conversation_token": token, "text": "When does the delivery time begin?"});
    let streamed = mesh.anon().post(&path, body).await;
    let events: Vec<_> = streamed.text.split_terminator("\n\n").collect();
    assert_eq!(events.first(), Some(&"data: {\"accepted\":true}"), "{}", streamed.text);
    let last = events.last().expect("an event");
    assert!(last.contains("OUTCOME_ANSWERED") && last.contains("delivery-times-and-late-orders"), "{last}");
    let large = json!({"conversation_token": token, "text": "x".repeat(1 << 20)});
    let refused = mesh.anon().post(&path, large).await;
    assert_eq!((refused.status, refused.str("/reason")), (413, "BODY_TOO_LARGE"));
    mesh.finish().await;
}

/// The path of the first link to a page of ours in a mail.
fn page(mail: &Accept, path: &str) -> String {
    let begin = mail.text.find(path).unwrap_or_else(|| panic!("{path} in {}", mail.text));
    mail.text[begin..]
        .split(|c: char| c.is_whitespace() || "()<>\"".contains(c))
        .next()
        .expect("a link")
        .to_owned()
}

#[tokio::test]
async fn from_a_question_to_a_person_a_reply_by_mail_a_solution_and_a_survey() {
    let provider = FakeMail::start();
    let settings = [
        ("RESEND_API_KEY", API_KEY),
        ("RESEND_API_BASE", &provider.url()),
        ("LEVQOR_INBOUND_DOMAIN", "in.levqor.ai"),
    ];
    let mesh = Mesh::start_with(&settings).await;
    let (ada, staff) = (mesh.customer("ada"), mesh.staff());
    let created = ada
        .post(
            "/v1/conversations",
            json!({"text": "When does the delivery time begin?", "customer_name": "Ada"}),
        )
        .await;
    assert_eq!(created.str("/turn/outcome"), "OUTCOME_ANSWERED", "{}", created.text);
    let conversation = created.str("/conversation/conversation_id").to_owned();
    let handed = say(&mesh, &conversation, "Can I talk to a real person?").await;
    let ticket = format!("/v1/tickets/{}", handed.str("/conversation/ticket_id"));
    let opened = nth(&provider, 0).await;
    let address = opened.reply_to.clone().expect("an address for replies");

    // Staff reply by a prepared text; Ada answers that mail.
    let text = "Hello {{customer.name}}, about {{ticket.number}}: what do you see?";
    let canned = staff.post("/v1/canned-replies", json!({"name": "What do you see", "text": text})).await;
    let reply = json!({"canned_reply_id": canned.str("/canned_reply/canned_reply_id")});
    assert_eq!(staff.post(&format!("{ticket}:reply"), reply).await.str("/ticket/state"), "STATE_PENDING");
    let replied = nth(&provider, 1).await;
    assert!(replied.text.contains("Hello Ada, about LQ-1001: what do you see?"), "{}", replied.text);
    let answer =
        "A red lamp.\r\n\r\nOn Mon, 23 Nov 2026 at 10:12, Levqor <a@b.cd> wrote:\r\n> What do you see?";
    let answer = Inbound::new("Ada <ada@example.com>", &address, answer);
    assert_eq!(mesh.tell(&provider.receive(answer)).await.status, 200);
    mesh.settle().await;
    let seen = staff.get(&ticket).await;
    let last = seen.list("messages").last().expect("a message");
    assert_eq!(
        (&last["text"], seen.str("/ticket/state")),
        (&json!("A red lamp."), "STATE_OPEN"),
        "{}",
        seen.text
    );

    // Staff solve it. The mail has the link of the survey, which needs no login and no script.
    assert_eq!(staff.post(&format!("{ticket}:solve"), json!({})).await.status, 200);
    let solved = nth(&provider, 2).await;
    let survey = page(&solved, "/survey/");
    let question = mesh.anon().get(&survey).await;
    assert!(question.status == 200 && question.text.contains("LQ-1001"), "{}", question.text);
    assert_eq!(mesh.anon().form(&survey, "score=9").await.status, 400);
    let thanks = mesh.anon().form(&survey, "score=5&comment=Quick+and+kind").await;
    assert!(thanks.status == 200 && thanks.text.contains("Thank you"), "{}", thanks.text);
    let of_staff = staff.get(&ticket).await;
    assert_eq!(of_staff.json["survey"]["score"], 5, "{}", of_staff.text);
    assert_eq!(of_staff.str("/survey/comment"), "Quick and kind");
    assert!(ada.get(&ticket).await.json["survey"].is_null(), "only staff see it");
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 3, "opened, replied, solved: each once");
    mesh.finish().await;
}

#[tokio::test]
async fn the_chat_shows_a_customer_their_own_order_and_staff_see_the_customer_whole() {
    let mesh = Mesh::start().await;
    for name in ["ada", "bob"] {
        assert_eq!(mesh.deliver(&paid_checkout(name, name)).await.status, 200);
    }
    mesh.settle().await;
    let ask = async |actor: &Actor<'_>, text: &str| {
        // Support waits two seconds for billing, and says so.
        eventually("billing answers in time", || async {
            let created = actor.post("/v1/conversations", json!({"text": text})).await;
            assert_eq!(created.status, 200, "{}", created.text);
            let (outcome, reply) = (created.str("/turn/outcome"), created.str("/turn/reply"));
            (!reply.starts_with("I cannot look at")).then(|| (outcome.to_owned(), reply.to_owned()))
        })
        .await
    };
    let (ada, anon, staff) = (mesh.customer("ada"), mesh.anon(), mesh.staff());
    let (outcome, reply) = ask(&ada, "Where is my order?").await;
    assert_eq!(outcome, "OUTCOME_OWN_DATA", "{reply}");
    assert!(
        reply.contains("waits for your intake form") && reply.matches("Your ").count() == 1,
        "one: {reply}"
    );
    let (_, reply) = ask(&ada, "What plan am I on?").await;
    assert!(reply.contains("You have no subscription."), "{reply}");
    let (_, reply) = ask(&anon, "Where is my order?").await;
    assert!(reply.contains("Sign in at"), "{reply}");
    let mallory = mesh.actor(Caller::unverified("mallory", "ada@example.com"));
    let (_, reply) = ask(&mallory, "Where is my order?").await;
    assert!(reply.contains("There are no orders in your account."), "{reply}");

    // One view for staff, each part from its own service and read with their rights.
    let ticket = json!({"subject": "Help", "text": "It does not work."});
    assert_eq!(ada.post("/v1/tickets", ticket).await.status, 200);
    mesh.settle().await;
    for query in ["customer_email=ada@example.com", "owner_sub=ada"] {
        let seen = eventually("each service answers in time", || async {
            let seen = staff.get(&format!("/v1/customer-overview?{query}")).await;
            assert_eq!(seen.status, 200, "{}", seen.text);
            seen.json["missing_parts"].as_array().is_none_or(Vec::is_empty).then_some(seen)
        })
        .await;
        assert_eq!((seen.list("orders").len(), seen.list("tickets").len()), (1, 1), "{query}: {}", seen.text);
        assert!(seen.list("mails").iter().any(|mail| mail["template"] == "order_welcome"), "{}", seen.text);
        assert!(!seen.text.contains("bob@example.com"), "{}", seen.text);
    }
    assert_eq!(ada.get("/v1/customer-overview?owner_sub=ada").await.status, 403);
    mesh.finish().await;
}

#[tokio::test]
async fn no_hostile_prompt_gets_anything_of_another_customer_by_rest() {
    let mesh = Mesh::start().await;
    let (ada, bob) = (mesh.customer("ada"), mesh.customer("bob"));
    assert_eq!(mesh.deliver(&paid_checkout("bob", "bob")).await.status, 200);
    mesh.settle().await;
    let ticket = json!({"subject": "Zeppelin", "text": "My zeppelin squeaks."});
    let ticket = bob.post("/v1/tickets", ticket).await.str("/ticket/ticket_id").to_owned();
    let order = bob.get("/v1/orders").await.str("/orders/0/order_id").to_owned();
    let secrets = ["zeppelin", &*ticket, &*order];
    assert!(!order.is_empty() && bob.get("/v1/tickets?query=zeppelin").await.text.contains(&ticket));
    let lines = include_str!("../../services/support/data/hostile-prompts.jsonl").lines();
    let prompts: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(prompts.len() >= 50, "{}", prompts.len());
    for text in prompts.iter().filter_map(|prompt| prompt["text"].as_str()).chain(["zeppelin"]) {
        let filter = [("query", text), ("customer_email", "bob@example.com")];
        let list = reqwest::Url::parse_with_params("http://levqor/v1/tickets", filter).expect("an address");
        let listed = ada.get(&format!("/v1/tickets?{}", list.query().expect("a query"))).await;
        let said = ada.post("/v1/conversations", json!({"text": text})).await;
        let replies = said.str("/turn/reply").to_lowercase();
        assert_eq!((listed.status, said.status), (200, 200), "{text}: {} {}", listed.text, said.text);
        let shown = [listed.text.to_lowercase(), replies];
        let is_told = shown.iter().any(|shown| secrets.iter().any(|secret| shown.contains(secret)));
        assert!(!is_told, "{text}: {shown:?}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn a_confirmed_subscriber_gets_the_news_of_an_incident_and_ends_them_by_one_click() {
    let provider = FakeMail::start();
    let settings = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())];
    let mesh = Mesh::start_with(&settings).await;
    let (anon, staff) = (mesh.anon(), mesh.staff());
    for name in ["ada", "bob"] {
        let body = json!({"email": format!("{name}@example.com")});
        assert_eq!(anon.post("/v1/status-subscriptions", body).await.status, 200);
    }
    let first = nth(&provider, 0).await;
    let second = nth(&provider, 1).await;
    let of_ada = if first.to.contains("ada@example.com") { first } else { second };
    let confirm = page(&of_ada, "/status/confirm/");
    assert!(anon.get(&confirm).await.text.contains("Yes, send me these mails"));
    assert!(anon.form(&confirm, "").await.text.contains("You are subscribed"));
    let body = json!({"kind": "KIND_INCIDENT", "title": "Orders are slow", "text": "A disk is full.",
                      "components": ["COMPONENT_BILLING"]});
    let created = staff.post("/v1/incidents", body).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let incident = format!("/v1/incidents/{}", created.str("/incident/incident_id"));
    let body =
        json!({"title": "Orders are slow", "text": "A disk is full.", "components": ["COMPONENT_BILLING"]});
    assert_eq!(staff.post(&format!("{incident}:publish"), body).await.status, 200);
    let news = nth(&provider, 2).await;
    assert!(news.to.contains("ada@example.com") && news.subject == "Incident: Orders are slow", "{news:?}");
    let end = page(&news, "/status/unsubscribe/");
    assert!(anon.form(&end, "List-Unsubscribe=One-Click").await.text.contains("You are unsubscribed"));
    let body = json!({"state": "STATE_RESOLVED", "text": "It is over."});
    assert_eq!(staff.post(&format!("{incident}:update"), body).await.status, 200);
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 3, "two questions, and one piece of news");
    mesh.finish().await;
}
