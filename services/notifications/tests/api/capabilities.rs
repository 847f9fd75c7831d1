//! The capabilities that the service reports.

use levqor_runtime::{
    service::{Capability, CapabilityState, Service},
    testing::Log,
};
use tracing::Level;

use crate::{
    Notified,
    fake_mail::{
        Behaviour::{Fail, RateLimit},
        FakeMail,
    },
};

#[tokio::test]
async fn the_local_mailbox_is_on_and_says_that_it_delivers_no_mail() {
    let notified = Notified::start().await;
    let capabilities = notified.service.running.service.capabilities();
    let told: Vec<_> = capabilities.iter().map(|it| (it.name, it.is_on(), it.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("mail_mailbox", true, "mail stays in the local mailbox; no provider sends it out"),
            ("mail_resend", false, "RESEND_API_KEY is not set"),
            ("resend_webhooks", false, "RESEND_WEBHOOK_SECRET is not set: bounces are not known"),
            ("mail_smtp", false, "SMTP_URL is not set"),
            ("suppressions", true, "staff can suppress addresses; the local mailbox knows no bounces"),
            ("inbound_mail", false, "LEVQOR_INBOUND_DOMAIN is not set"),
            (
                "operators_mail",
                false,
                "RECEIVING_EMAIL is not set: operators get no mail, unless another mailbox is set"
            ),
            ("operators_telegram", false, "TELEGRAM_BOT_TOKEN is not set"),
            ("operators_slack", false, "SLACK_WEBHOOK_URL is not set"),
            ("operators_whatsapp", false, "WHATSAPP_ACCESS_TOKEN is not set"),
        ]
    );
}

#[tokio::test]
async fn resend_is_on_with_its_key_and_shows_how_long_it_honours_idempotency_keys() {
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

fn mail_resend(notified: &Notified) -> Capability {
    let capabilities = notified.service.running.service.capabilities();
    capabilities.into_iter().find(|it| it.name == "mail_resend").expect("it is told of")
}

#[tokio::test]
async fn a_provider_that_takes_no_mail_of_ours_is_failed_at_once_and_on_again_once_it_accepts_a_mail() {
    // Resend answers 403 also for a domain that is not verified. In that case the key is good.
    for (status, said) in [
        (401, "401 restricted_api_key: it refuses RESEND_API_KEY"),
        (403, "403 validation_error: it takes no mail of ours"),
    ] {
        let provider = FakeMail::start();
        let notified = Notified::start_with(&provider, "24").await;
        let (log, _guard) = Log::start(Level::INFO);
        let id = notified.pending().await;
        // Other failures say nothing about the key, neither before nor after the refusal.
        provider.next([RateLimit(1), Fail(status), Fail(status), Fail(503)]);
        notified.deliver_in_vain(&id, "429").await;
        assert_eq!(mail_resend(&notified).state, CapabilityState::On);
        for again in ["refused", "refused again", "503"] {
            notified.deliver_in_vain(&id, again).await;
            let capability = mail_resend(&notified);
            assert_eq!(capability.state, CapabilityState::Failed, "{again}");
            assert!(capability.reason.contains(&format!("answered {said}")), "{}", capability.reason);
            assert!(capability.measured.is_some());
        }
        notified.deliver(&id).await.expect("delivered");
        assert_eq!(mail_resend(&notified).state, CapabilityState::On);
        let text = log.text();
        let told = text.lines().filter(|line| line.contains("no mail goes out")).collect::<Vec<_>>();
        assert_eq!(told.len(), 1, "{text}");
        assert!(told[0].contains("WARN") && told[0].contains(said), "{told:?}");
        assert_eq!(text.matches("the mail provider takes mail again").count(), 1, "{text}");
    }
}
