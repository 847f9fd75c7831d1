//! Mail through programs of other authors. `.ci/mail` starts these programs, and then runs these tests.

use levqor_runtime::{config::Env, testing::eventually};
use serde_json::Value;

use crate::{ADDRESS_KEY, Notified, fake_mail, intake_request, welcome};
use levqor_runtime::testing::TestService;

fn address(name: &str) -> String {
    Env::from_process().get(name).unwrap_or_else(|| panic!("{name} is not set: run .ci/mail")).to_owned()
}

/// The content of a counterpart's page.
async fn shown(url: &str) -> String {
    let client = levqor_runtime::client::local_http_client().expect("a client");
    let request = client.get(url).bearer_auth(fake_mail::API_KEY);
    request.send().await.expect("an answer").text().await.expect("a text")
}

#[tokio::test]
#[ignore = "needs maildev: .ci/mail"]
async fn maildev_gets_the_mails_over_tls_with_a_login() {
    let (smtp, ca) = (address("MAIL_COUNTERPART_SMTP"), address("MAIL_COUNTERPART_CA"));
    let settings = [ADDRESS_KEY, ("SMTP_URL", smtp.as_str()), ("SMTP_CA_FILE", ca.as_str())];
    let notified = Notified { service: TestService::start(&settings).await };
    let first = notified.sent("a", welcome("1", "ada@example.com")).await;
    let second = notified.sent("b", intake_request("1", "bob@example.com")).await;
    let page = format!("{}/api/email", address("MAIL_COUNTERPART_PAGE"));
    let mails = eventually("maildev shows both", || async {
        let text = shown(&page).await;
        let mails: Vec<Value> = serde_json::from_str(&text).ok()?;
        (mails.len() >= 2).then_some(mails)
    })
    .await;
    for (message, to) in [(first, "ada@example.com"), (second, "bob@example.com")] {
        let of = |mail: &&Value| mail["to"][0]["address"] == *to;
        let mail = mails.iter().find(of).unwrap_or_else(|| panic!("no mail to {to}: {mails:?}"));
        assert_eq!(mail["subject"], *message.subject);
        assert_eq!(
            mail["headers"]["message-id"].as_str().map(|id| id.trim_matches(['<', '>'])),
            Some(&*message.provider_message_id)
        );
        assert!(mail["html"].as_str().is_some_and(|html| html.contains("</html>")), "{mail}");
    }
}

#[tokio::test]
#[ignore = "needs resend-local: .ci/mail"]
async fn resend_local_gets_the_mails() {
    let base = address("MAIL_COUNTERPART_RESEND");
    let settings = [
        ADDRESS_KEY,
        ("RESEND_API_KEY", fake_mail::API_KEY),
        ("RESEND_API_BASE", base.as_str()),
        ("RESEND_KEY_HOURS", "0"),
    ];
    let notified = Notified { service: TestService::start(&settings).await };
    let message = notified.sent("a", welcome("1", "ada@example.com")).await;
    let text = shown(&format!("{base}/emails/{}", message.provider_message_id)).await;
    assert!(text.contains(&message.subject) && text.contains("ada@example.com"), "{text}");
}
