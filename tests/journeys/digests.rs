//! The reports for operators have the lines of every service.

use chrono::TimeDelta;
use levqor_proto::notifications::v1::{
    SendDigestRequest, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::testing::{Caller, eventually};

use super::rpcs::methods;
use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
};

#[tokio::test]
async fn the_report_of_sunday_has_a_section_of_each_service() {
    let provider = FakeMail::start();
    let url = provider.url();
    let settings =
        [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url), ("RECEIVING_EMAIL", "ops@levqor.ai")];
    let mesh = Mesh::start_with(&settings).await;
    // On a Sunday, the schedule may have sent the report of today before all services were there.
    mesh.advance(TimeDelta::days(1)).await;
    let own = Caller::service("notifications", "notifications");
    let request = own.request(SendDigestRequest { report: "WEEKLY_GOVERNANCE".to_owned() });
    let mut client = NotificationsServiceClient::new(mesh.channel("notifications"));
    let response = client.send_digest(request).await.expect("an answer").into_inner();
    assert_eq!(response.unanswered, Vec::<String>::new());
    let is_whole = |text: &str| {
        let outcome = "The weekly test of error reports (Sentry) is off";
        let services = methods().services();
        text.matches(outcome).count() == services.len() && services.iter().all(|it| text.contains(it))
    };
    eventually("a report with four sections is sent", || async {
        let mails = provider.accepted();
        let mut reports = mails.iter().filter(|mail| mail.subject.contains("Weekly governance report"));
        reports.any(|mail| is_whole(&mail.text)).then_some(())
    })
    .await;
    mesh.finish().await;
}
