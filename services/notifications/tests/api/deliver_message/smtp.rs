//! Mail through an SMTP server: what each reply means, and when a second provider gets a mail.

use levqor_proto_notifications::v1::{SuppressionReason, delivery_attempt::Outcome, message::State};
use levqor_runtime::{
    service::{CapabilityState, Service},
    testing::TestService,
};
use tonic::Code;

use crate::{
    ADDRESS_KEY, Notified,
    fake_mail::{Behaviour as AtResend, FakeMail},
    fake_smtp::{Behaviour, FakeSmtp},
    welcome,
};

impl Notified {
    /// Delivers a pending message once. Returns its state afterwards.
    async fn tried(&self, id: &str) -> State {
        match self.deliver(id).await {
            Ok(state) => state,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                self.message(id).await.state()
            }
        }
    }

    /// The outcome and the detail of the last attempt.
    async fn last_attempt(&self, id: &str) -> (Outcome, String) {
        let attempt = self.shown(id).await.delivery_attempts.pop().expect("an attempt");
        (attempt.outcome(), attempt.detail)
    }
}

#[tokio::test]
async fn a_mail_arrives_whole_and_the_connection_is_kept() {
    let smtp = FakeSmtp::start();
    let settings = [
        ("LEVQOR_MAIL_FROM", "Levqor Orders <orders@levqor.ai>"),
        ("LEVQOR_MAIL_REPLY_TO", "support@levqor.ai"),
    ];
    let notified = Notified::start_with_smtp(None, &smtp, &settings).await;
    let first = notified.sent("a", welcome("1", "ada@example.com")).await;
    let second = notified.sent("b", welcome("2", "ada@example.com")).await;
    assert_eq!(first.provider, "smtp");
    let [mail, other] = smtp.accepted().try_into().expect("two mails");
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("orders@levqor.ai", "ada@example.com"));
    assert_eq!(first.provider_message_id, format!("{}@levqor.ai", first.message_id));
    for line in [
        "From: \"Levqor Orders\" <orders@levqor.ai>".to_owned(),
        "To: ada@example.com".to_owned(),
        "Reply-To: support@levqor.ai".to_owned(),
        format!("Subject: {}", first.subject),
        format!("Message-ID: <{}>", first.provider_message_id),
    ] {
        assert!(mail.data.lines().any(|other| other == line), "{line}\n{}", mail.data);
    }
    assert!(other.data.contains(&second.provider_message_id));
    assert_eq!(smtp.connections(), 1);
}

#[tokio::test]
async fn with_starttls_the_login_and_the_mail_are_encrypted_or_do_not_leave() {
    let (offers, does_not) = (FakeSmtp::start_with_tls(), FakeSmtp::start());
    let file = std::env::temp_dir().join(format!("levqor-smtp-{}.pem", levqor_runtime::id::request_id()));
    std::fs::write(&file, offers.certificate()).expect("written");
    let path = file.to_str().expect("a path").to_owned();
    for (smtp, ca, is_sent) in [(&offers, path.as_str(), true), (&offers, "", false), (&does_not, "", false)]
    {
        let before = (smtp.accepted().len(), smtp.logins());
        // To this machine, a connection is encrypted only on request.
        let url = format!("{}?tls=required", smtp.url());
        let settings = [ADDRESS_KEY, ("SMTP_URL", &url), ("SMTP_CA_FILE", ca), ("SMTP_RATE", "0")];
        let notified = Notified { service: TestService::start(&settings).await };
        let id = notified.pending().await;
        assert_eq!(notified.tried(&id).await, if is_sent { State::Sent } else { State::Pending });
        let outcome = if is_sent { Outcome::Accepted } else { Outcome::NotAccepted };
        assert_eq!(notified.last_attempt(&id).await.0, outcome);
        let more = usize::from(is_sent);
        assert_eq!((smtp.accepted().len(), smtp.logins()), (before.0 + more, before.1 + more));
    }
    std::fs::remove_file(&file).expect("removed");
}

#[tokio::test]
async fn each_reply_has_its_class_and_only_a_dead_address_is_suppressed() {
    use Behaviour::{AcceptAndCut, Cut, Reply};
    use Outcome::{Ambiguous, NotAccepted, Refused};
    let (pending, failed, doubt) = (State::Pending, State::Failed, State::InDoubt);
    let dead = "550 5.1.1 <ada@example.com>: User unknown";
    for (behaviour, state, outcome, detail, suppresses) in [
        (Reply("RCPT", dead), failed, Refused, "the server refused it: 550 5.1.1 HARD", true),
        (Reply("RCPT", "450 4.1.1 user unknown"), pending, NotAccepted, "450 4.1.1 SOFT", false),
        (Reply("RCPT", "452 4.2.2 over quota"), pending, NotAccepted, "452 4.2.2 FULL", false),
        (Reply("MAIL", "550 5.1.1 no such user"), pending, NotAccepted, "550 5.1.1 HARD", false),
        (Reply("DATA", "421 4.3.2 closing"), pending, NotAccepted, "421 4.3.2 SOFT", false),
        (Reply(".", "550 5.7.1 blocked using spamhaus"), pending, NotAccepted, "550 5.7.1 POLICY", false),
        (
            Reply(".", "554 5.7.1 Spam message rejected"),
            failed,
            Refused,
            "the server refused it: 554 5.7.1 CONTENT",
            false,
        ),
        (Reply(".", "451 4.3.0 try later"), pending, NotAccepted, "451 4.3.0 SOFT", false),
        (Cut("MAIL"), pending, NotAccepted, "the connection was cut before the answer", false),
        (Cut("DATA"), pending, NotAccepted, "the connection was cut before the answer", false),
        (Cut("."), doubt, Ambiguous, "the connection was cut before the answer", false),
        (AcceptAndCut, doubt, Ambiguous, "the connection was cut before the answer", false),
    ] {
        let smtp = FakeSmtp::start();
        let notified = Notified::start_with_smtp(None, &smtp, &[]).await;
        smtp.next([behaviour]);
        let id = notified.pending().await;
        assert_eq!(notified.tried(&id).await, state, "{behaviour:?}");
        assert_eq!(notified.last_attempt(&id).await, (outcome, detail.to_owned()), "{behaviour:?}");
        assert_eq!(notified.count("suppressions").await, i64::from(suppresses), "{behaviour:?}");
        if suppresses {
            let again = notified.pending().await;
            let same = "UPDATE messages SET recipient_hash = (SELECT recipient_hash FROM suppressions)";
            notified.execute(same).await;
            assert_eq!(notified.tried(&again).await, State::Suppressed);
            assert_eq!(notified.message(&again).await.suppression(), SuppressionReason::HardBounce);
        }
    }
}

#[tokio::test]
async fn a_login_that_is_refused_fails_the_capability_until_a_mail_is_accepted() {
    let smtp = FakeSmtp::start();
    let notified = Notified::start_with_smtp(None, &smtp, &[]).await;
    let state = || {
        let capabilities = notified.service.running.service.capabilities();
        let smtp = capabilities.into_iter().find(|it| it.name == "mail_smtp").expect("it is told of");
        (smtp.state, smtp.reason)
    };
    assert_eq!(state().0, CapabilityState::On);
    smtp.next([Behaviour::Reply("AUTH", "535 5.7.8 Username and Password not accepted")]);
    let id = notified.pending().await;
    assert_eq!(notified.tried(&id).await, State::Pending);
    let (failed, why) = state();
    assert_eq!(failed, CapabilityState::Failed);
    assert!(why.contains("SMTP_URL answered 535 5.7.8 RELAY: it refuses the login of SMTP_URL"), "{why}");
    assert_eq!(notified.tried(&id).await, State::Sent);
    assert_eq!(state().0, CapabilityState::On);
}

#[tokio::test]
async fn a_second_provider_gets_a_mail_only_if_the_first_certainly_does_not_have_it() {
    for (at_resend, state, by_resend, by_smtp) in [
        (AtResend::Accept, State::Sent, 1, 0),
        (AtResend::Fail(429), State::Sent, 0, 1),
        (AtResend::Fail(403), State::Sent, 0, 1),
        (AtResend::Fail(422), State::Failed, 0, 0),
        (AtResend::Fail(503), State::Pending, 0, 0),
        (AtResend::Cut, State::Pending, 0, 0),
        (AtResend::AcceptAndCut, State::Pending, 1, 0),
        (AtResend::AcceptAndBabble, State::Pending, 1, 0),
    ] {
        let (resend, smtp) = (FakeMail::start(), FakeSmtp::start());
        let notified = Notified::start_with_smtp(Some(&resend), &smtp, &[]).await;
        resend.next([at_resend]);
        let id = notified.pending().await;
        assert_eq!(notified.tried(&id).await, state, "{at_resend:?}");
        let mails = || (resend.accepted().len(), smtp.accepted().len());
        assert_eq!(mails(), (by_resend, by_smtp), "{at_resend:?}");
        // A mail that Resend may have is sent to Resend again, under the same key, and to no other provider.
        if state == State::Pending {
            assert_eq!(notified.tried(&id).await, State::Sent, "{at_resend:?}");
            assert_eq!(mails(), (1, 0), "{at_resend:?}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_the_second_provider_may_have_is_in_doubt_and_not_given_to_the_first() {
    let (resend, smtp) = (FakeMail::start(), FakeSmtp::start());
    let notified = Notified::start_with_smtp(Some(&resend), &smtp, &[]).await;
    resend.next([AtResend::Fail(429)]);
    smtp.next([Behaviour::AcceptAndCut]);
    let id = notified.pending().await;
    assert_eq!(notified.tried(&id).await, State::InDoubt);
    assert_eq!(notified.tried(&id).await, State::InDoubt);
    assert_eq!((resend.accepted().len(), smtp.accepted().len()), (0, 1));
}

#[tokio::test]
async fn the_order_of_providers_is_a_setting() {
    let (resend, smtp) = (FakeMail::start(), FakeSmtp::start());
    let settings = [("LEVQOR_MAIL_PROVIDERS", "smtp,resend")];
    let notified = Notified::start_with_smtp(Some(&resend), &smtp, &settings).await;
    notified.sent("a", welcome("1", "ada@example.com")).await;
    assert_eq!((resend.requests(), smtp.accepted().len()), (0, 1));
    smtp.next([Behaviour::Reply("RCPT", "421 4.3.2 closing")]);
    notified.sent("b", welcome("2", "ada@example.com")).await;
    assert_eq!((resend.accepted().len(), smtp.accepted().len()), (1, 1));
}
