//! The guard of the mails after the guide: it answers only for leads, and only if billing answers. The journeys test both answers.

use levqor_proto_runtime::v1::{StillWantedRequest, guard_service_client::GuardServiceClient};
use levqor_runtime::testing::{Caller, reason, refused};

use super::create_guide_lead::guide;
use crate::bench::{Bench, NOBODYS};

#[tokio::test]
async fn no_mail_is_called_wanted_or_unwanted_while_billing_does_not_answer() {
    let bench = Bench::start().await;
    let form = Caller::anonymous().request(guide(bench.form_token().await));
    bench.leads().create_guide_lead(form).await.expect("taken");
    let lead_id: String = sqlx::query_scalar("SELECT lead_id::text FROM leads")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a lead");
    // The log of both services says why billing did not answer.
    let unanswered = "another service that must be asked did not answer: ";
    let unknown = "this service knows no guard with this subject";
    for (subject, expected, words) in [
        (format!("lead:{lead_id}"), "GUARD_UNAVAILABLE", unanswered),
        (format!("lead:{NOBODYS}"), "GUARD_SUBJECT_UNKNOWN", unknown),
        (format!("ticket:{lead_id}"), "GUARD_SUBJECT_UNKNOWN", unknown),
    ] {
        let request = StillWantedRequest { service: "support".to_owned(), subject: subject.clone() };
        let request = Caller::service("notifications", "support").request(request);
        let status = refused(GuardServiceClient::new(bench.service.channel()).still_wanted(request).await);
        assert_eq!(reason(&status), expected, "{subject}");
        assert!(status.message().starts_with(words), "{subject}: {}", status.message());
    }
}
