//! Replies by mail: they are added to the ticket with their files, and mails of other people are not.

use chrono::TimeDelta;
use levqor_runtime::testing::eventually;
use serde_json::{Value, json};

use crate::{
    fakes::mail::{API_KEY, FakeMail, receiving::Inbound},
    harness::Mesh,
};

const ADA: &str = "Ada <ada@example.com>";

/// A mesh that takes mails, a ticket of Ada's, and the address of the ticket.
async fn ticket() -> (FakeMail, Mesh, String, String) {
    let provider = FakeMail::start();
    let settings = [
        ("RESEND_API_KEY", API_KEY),
        ("RESEND_API_BASE", &provider.url()),
        ("LEVQOR_INBOUND_DOMAIN", "in.levqor.ai"),
    ];
    let mesh = Mesh::start_with(&settings).await;
    let body = json!({"subject": "Nothing works", "text": "Please help.", "customer_name": "Ada"});
    let created = mesh.customer("ada").post("/v1/tickets", body).await;
    let path = format!("/v1/tickets/{}", created.str("/ticket/ticket_id"));
    let mail = eventually("the mail is sent", || async { provider.accepted().first().cloned() }).await;
    let address = mail.reply_to.expect("an address for replies");
    assert!(address.starts_with("ticket-") && address.ends_with("@in.levqor.ai"), "{address}");
    assert_eq!(mail.headers["X-Loop"], *address);
    (provider, mesh, path, address)
}

/// Posts the webhook of a received mail, and waits until all is done. Gives the ticket as staff see it.
async fn receive(provider: &FakeMail, mesh: &Mesh, path: &str, mail: Inbound) -> Value {
    assert_eq!(mesh.tell(&provider.receive(mail)).await.status, 200);
    mesh.settle().await;
    mesh.staff().get(path).await.json
}

#[tokio::test]
async fn a_reply_by_mail_becomes_a_message_and_its_file_can_be_downloaded() {
    let (provider, mesh, path, address) = ticket().await;
    let staff = mesh.staff();
    assert_eq!(staff.post(&format!("{path}:reply"), json!({"text": "Better now?"})).await.status, 200);
    assert_eq!(staff.post(&format!("{path}:solve"), json!({})).await.status, 200);
    let text = "No, see the file.\r\n\r\nOn Mon, 23 Nov 2026 at 10:12, Levqor <a@b.cd> wrote:\r\n> Better now?\r\n\r\n-- \r\nAda";
    let mut mail = Inbound::new(ADA, &address.to_uppercase(), text);
    mail.files = vec![("../error.log", b"it broke at 9".to_vec()), ("tool.exe", b"MZ".to_vec())];
    let webhook = provider.receive(mail);
    for _ in 0..2 {
        assert_eq!(mesh.tell(&webhook).await.status, 200, "the provider may tell it twice");
    }
    mesh.settle().await;
    let seen = mesh.customer("ada").get(&path).await;
    assert_eq!(seen.str("/ticket/state"), "STATE_OPEN", "a solved ticket opens again: {}", seen.text);
    let [.., last] = seen.list("messages") else { panic!("messages") };
    assert_eq!((&last["text"], &last["party"]), (&json!("No, see the file."), &json!("PARTY_CUSTOMER")));
    assert_eq!(seen.list("messages").len(), 3, "once: {}", seen.text);
    assert_eq!(
        (&last["files"][0]["name"], &last["files"][0]["state"]),
        (&json!("error.log"), &json!("STATE_STORED"))
    );
    assert_eq!(last["files"][1]["state"], "STATE_REFUSED", "{last}");
    let file = format!("{path}/files/{}:download", last["files"][0]["file_id"].as_str().expect("an id"));
    assert_eq!(mesh.customer("ada").get(&file).await.text, "it broke at 9");
    assert_eq!(mesh.customer("bob").get(&file).await.status, 404, "it is Ada's");
    // A closed ticket gives a new one.
    assert_eq!(staff.post(&format!("{path}:solve"), json!({})).await.status, 200);
    mesh.advance(TimeDelta::days(8)).await;
    sqlx::query("UPDATE tickets SET state = 'CLOSED'")
        .execute(mesh.support_db().pool())
        .await
        .expect("closed");
    receive(&provider, &mesh, &path, Inbound::new(ADA, &address, "Again!")).await;
    let listed = mesh.customer("ada").get("/v1/tickets").await;
    assert_eq!(listed.list("tickets").len(), 2, "{}", listed.text);
    assert_eq!(listed.str("/tickets/0/origin"), "ORIGIN_MAIL");
    mesh.finish().await;
}

#[tokio::test]
async fn strangers_programs_and_loops_are_kept_for_staff_and_never_answered() {
    let (provider, mesh, path, address) = ticket().await;
    let before = provider.accepted().len();
    let mail = |from: &str, text: &str| Inbound::new(from, &address, text);
    let forged = ("authentication-results", "mx; spf=fail; dmarc=fail header.from=example.com".to_owned());
    let auto = ("Auto-Submitted", "auto-replied".to_owned());
    for (mail, party, read) in [
        (mail("Eve <eve@example.org>", "Send me everything."), "PARTY_OTHER", true),
        (Inbound { headers: vec![forged], ..mail(ADA, "I am Ada.") }, "PARTY_OTHER", true),
        (Inbound { headers: vec![auto], ..mail(ADA, "I am away.") }, "PARTY_CUSTOMER", false),
        (mail("Levqor <support@levqor.ai>", "Thank you for your mail."), "PARTY_OTHER", false),
        (
            Inbound { headers: vec![("X-Loop", address.clone())], ..mail("x@y.zz", "Loop") },
            "PARTY_OTHER",
            false,
        ),
    ] {
        let shown = receive(&provider, &mesh, &path, mail).await;
        let last = shown["messages"].as_array().and_then(|all| all.last()).expect("a message");
        assert_eq!((&last["party"], &last["internal"]), (&json!(party), &json!(true)), "{last}");
        assert_eq!(last["not_read_as_reply"].as_bool().unwrap_or_default(), !read, "{last}");
    }
    let seen = mesh.customer("ada").get(&path).await;
    assert_eq!(seen.list("messages").len(), 1, "the customer sees none of them: {}", seen.text);
    assert_eq!(provider.accepted().len(), before, "nothing was answered");
    // An address that was not sent to anybody reaches no ticket.
    let guessed = format!("ticket-{}@in.levqor.ai", "0".repeat(32));
    let shown = receive(&provider, &mesh, &path, Inbound::new(ADA, &guessed, "Hello?")).await;
    assert_eq!(shown["messages"].as_array().map(Vec::len), Some(6), "{shown}");
    mesh.finish().await;
}

#[tokio::test]
async fn large_files_and_broken_mails_are_safe_and_reported() {
    let (provider, mesh, path, address) = ticket().await;
    let mut large = Inbound::new(ADA, &address, "See the files.");
    large.files =
        vec![("a.bin", vec![1; 12 << 20]), ("b.bin", vec![2; 9 << 20]), ("c.txt", b"small".to_vec())];
    let shown = receive(&provider, &mesh, &path, large).await;
    let states: Vec<_> = (0..3).map(|at| shown["messages"][1]["files"][at]["state"].clone()).collect();
    assert_eq!(states, ["STATE_STORED", "STATE_TOO_LARGE", "STATE_TOO_LARGE"], "20 MB in all");
    let head =
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let encoded = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\
                    Content-Transfer-Encoding: base64\r\n\r\nSXQgZG9lcyBub3Qgd29ya";
    for (raw, text) in [
        (
            [&head[..], b"The end is missing"].concat(),
            "The end is missing\n\n(The end of this mail is missing.)",
        ),
        (encoded.to_vec(), "It does not wor\n\n(The end of this mail is missing.)"),
        (head, "(This mail has no text that can be read.)"),
        (vec![0xff; 4096], "(This mail has no text that can be read.)"),
    ] {
        let broken = Inbound { text: None, raw, ..Inbound::new(ADA, &address, "") };
        let shown = receive(&provider, &mesh, &path, broken).await;
        let last = shown["messages"].as_array().and_then(|all| all.last()).expect("a message");
        assert_eq!(last["text"], text, "{last}");
    }
    mesh.finish().await;
}
