//! `SendDigest`: the report has the lines of every service, names one that gave no answer, and is mailed once.

use levqor_proto_notifications::v1::{SendDigestRequest, SendDigestResponse};
use levqor_runtime::testing::{Caller, TestService, eventually};

use crate::{ADDRESS_KEY, Notified, fake_mail, fake_mail::FakeMail};

impl Notified {
    async fn start_with_mailboxes(provider: &FakeMail) -> Self {
        let url = provider.url();
        let settings = [
            ADDRESS_KEY,
            ("RESEND_API_KEY", fake_mail::API_KEY),
            ("RESEND_API_BASE", &url),
            // No process listens on this port.
            ("LEVQOR_BILLING_ADDR", "127.0.0.1:1"),
            ("RECEIVING_EMAIL", "ops@levqor.ai"),
            ("OWNER_EMAIL", "owner@levqor.ai"),
        ];
        Self { service: TestService::start(&settings).await }
    }

    async fn digest(&self, report: &str) -> SendDigestResponse {
        let own = Caller::service("notifications", "notifications");
        let request = own.request(SendDigestRequest { report: report.to_owned() });
        self.client().send_digest(request).await.expect("an answer").into_inner()
    }
}

/// The mails with this in the subject.
fn with_subject(provider: &FakeMail, subject: &str) -> Vec<fake_mail::Accept> {
    provider.accepted().into_iter().filter(|mail| mail.subject.contains(subject)).collect()
}

#[tokio::test]
async fn a_report_has_the_lines_of_every_service_and_names_the_silent_one() {
    let provider = FakeMail::start();
    let notified = Notified::start_with_mailboxes(&provider).await;
    notified.sent("a", crate::welcome("1", "ada@example.com")).await;
    notified.report(1, "it fails").await.expect("told");
    // A schedule may have sent the report of today already.
    assert_eq!(notified.digest("DAILY_OPERATIONS").await.unanswered, ["billing"]);
    notified.digest("DAILY_OPERATIONS").await;
    eventually("it is sent", || async {
        (!with_subject(&provider, "Daily ops report").is_empty()).then_some(())
    })
    .await;
    let mails = with_subject(&provider, "Daily ops report");
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ops@levqor.ai"));
    assert!(mails[0].text.contains("billing gave no answer"), "{}", mails[0].text);
}

#[tokio::test]
async fn the_weekly_report_carries_what_came_of_the_test_of_error_reports() {
    let provider = FakeMail::start();
    let notified = Notified::start_with_mailboxes(&provider).await;
    notified.digest("WEEKLY_GOVERNANCE").await;
    notified.digest("DAILY_ERRORS").await;
    eventually("both are sent", || async {
        let all =
            ["Weekly governance report", "Daily error summary"].map(|it| with_subject(&provider, it).len());
        (all == [1, 1]).then_some(())
    })
    .await;
    let weekly = with_subject(&provider, "Weekly governance report").remove(0);
    let expected = "The weekly test of error reports (Sentry) is off: SENTRY_DSN is not set";
    assert!(weekly.text.contains(expected), "{}", weekly.text);
    assert_eq!(with_subject(&provider, "Daily error summary")[0].to, "owner@levqor.ai");
}

#[tokio::test]
async fn nobody_gets_a_report_where_no_mailbox_is_set() {
    let notified = Notified::start().await;
    assert_eq!(notified.digest("WEEKLY_PULSE").await, SendDigestResponse::default());
    assert_eq!(notified.count("messages WHERE template = 'operator_digest'").await, 0);
}
