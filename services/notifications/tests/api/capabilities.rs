//! What the service says that it can do.

use levqor_runtime::service::Service;

use crate::{Notified, fake_mail::FakeMail};

#[tokio::test]
async fn the_local_mailbox_is_on_and_says_that_it_sends_nothing_out() {
    let notified = Notified::start().await;
    let capabilities = notified.service.running.service.capabilities();
    let told: Vec<_> = capabilities.iter().map(|it| (it.name, it.is_on(), it.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("mail_mailbox", true, "mail stays in the local mailbox; no provider sends it out"),
            ("mail_resend", false, "RESEND_API_KEY is not set"),
            ("resend_webhooks", false, "RESEND_WEBHOOK_SECRET is not set: bounces are not known"),
            ("mail_smtp", false, "not part of this version"),
        ]
    );
}

#[tokio::test]
async fn resend_is_on_with_its_key_and_says_what_keys_are_worth() {
    let provider = FakeMail::start();
    for (hours, said) in [
        ("24", "mail goes out through the API at RESEND_API_BASE, under keys that it honours for 24 hours"),
        (
            "0",
            "mail goes out through the API at RESEND_API_BASE, which honours no idempotency keys: what it may have taken \
             waits IN_DOUBT for a person",
        ),
    ] {
        let notified = Notified::start_with(&provider, hours).await;
        let capabilities = notified.service.running.service.capabilities();
        let told: Vec<_> = capabilities.iter().map(|it| (it.name, it.is_on(), it.reason.as_str())).collect();
        assert_eq!(told[0], ("mail_mailbox", false, "RESEND_API_KEY is set: mail goes out"));
        assert_eq!(told[1], ("mail_resend", true, said));
        assert_eq!(told[2], ("resend_webhooks", true, "2 live secrets"));
    }
}
