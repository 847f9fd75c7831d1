//! `SendDigest`: the report has the lines of every service, names one that gave no answer, and is mailed once.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc, Weekday};
use levqor_notifications::Notifications;
use levqor_proto_notifications::v1::{SendDigestRequest, SendDigestResponse};
use levqor_proto_runtime::v1::{
    GetDigestRequest, GetDigestResponse,
    digest_service_server::{DigestService, DigestServiceServer},
};
use levqor_runtime::{
    db,
    schedule::look,
    service::Service,
    testing::{Caller, TestService, eventually, spawn},
};
use tonic::{Request, Response, Status, transport::Server};

use crate::{ADDRESS_KEY, Notified, fake_mail, fake_mail::FakeMail};

/// Support and compliance: each gives one line.
struct Peers;

#[tonic::async_trait]
impl DigestService for Peers {
    async fn get_digest(
        &self,
        request: Request<GetDigestRequest>,
    ) -> Result<Response<GetDigestResponse>, Status> {
        assert!(request.metadata().get("authorization").is_some(), "the caller says who it is");
        let lines = vec![format!("One line of {}", request.into_inner().service)];
        Ok(Response::new(GetDigestResponse { lines }))
    }
}

impl Notified {
    async fn start_with_mailboxes(provider: &FakeMail) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let peers = listener.local_addr().expect("an address").to_string();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = Server::builder().add_service(DigestServiceServer::new(Peers));
        drop(spawn(async move { server.serve_with_incoming(incoming).await.expect("it serves") }));
        let url = provider.url();
        let settings = [
            ADDRESS_KEY,
            ("RESEND_API_KEY", fake_mail::API_KEY),
            ("RESEND_API_BASE", &url),
            // No process listens on this port.
            ("LEVQOR_BILLING_ADDR", "127.0.0.1:1"),
            ("LEVQOR_SUPPORT_ADDR", &peers),
            ("LEVQOR_COMPLIANCE_ADDR", &peers),
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
    let expected = ["billing gave no answer", "One line of support", "One line of compliance"];
    for line in expected {
        assert!(mails[0].text.contains(line), "{line}: {}", mails[0].text);
    }
}

#[tokio::test]
async fn the_weekly_report_has_the_result_of_the_test_of_error_reports() {
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
async fn without_a_mailbox_no_report_is_sent() {
    let notified = Notified::start().await;
    assert_eq!(notified.digest("WEEKLY_PULSE").await, SendDigestResponse::default());
    assert_eq!(notified.count("messages WHERE template = 'operator_digest'").await, 0);
}

#[tokio::test]
async fn the_reports_come_at_their_hours_in_london_in_winter_and_in_summer() {
    let notified = Notified::start().await;
    let db = &notified.service.db;
    let now = async || db::now(&mut db.acquire().await.expect("a connection")).await.expect("a time");
    let year = now().await.year() + 1;
    let weekly = ["digest_weekly_governance", "digest_weekly_pulse"];
    for (month, weekday, week, daily, report, hour) in [
        (1, Weekday::Fri, 1, 9, weekly[1], 14),
        (1, Weekday::Sun, 2, 9, weekly[0], 9),
        (7, Weekday::Fri, 1, 8, weekly[1], 13),
        (7, Weekday::Sun, 2, 8, weekly[0], 8),
    ] {
        let day = NaiveDate::from_weekday_of_month_opt(year, month, weekday, week).expect("a day");
        let at = |hour| day.and_time(NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour")).and_utc();
        notified.advance(at(16) - now().await).await;
        look(db, &Notifications::schedules()).await.expect("looked");
        let slots: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
            "SELECT schedule, slot FROM runtime.schedule_slots
             WHERE schedule LIKE 'digest%' AND slot >= $1 ORDER BY schedule",
        )
        .bind(at(0))
        .fetch_all(db.pool())
        .await
        .expect("slots");
        let expected = [("digest_daily_errors", daily), ("digest_daily_operations", daily), (report, hour)];
        assert_eq!(slots, expected.map(|(name, hour)| (name.to_owned(), at(hour))));
    }
}
