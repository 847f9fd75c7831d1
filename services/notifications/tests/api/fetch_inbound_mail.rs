//! `FetchInboundMail`: a received mail is fetched from the provider, and handed over once.

use levqor_proto_inbound::v1::IngestInboundMailRequest;
use levqor_runtime::testing::{TestService, eventually};
use prost::Message;

use crate::{
    ADDRESS_KEY, EventState, Notified,
    breaking_off::BreakingOff,
    fake_mail,
    fake_mail::{FakeMail, receiving::Inbound, webhooks::WEBHOOK_SECRET},
};

/// A service that takes mails to a domain.
pub(crate) async fn taking(provider: &FakeMail, domain: &str) -> Notified {
    taking_from(provider.url(), domain).await
}

/// The same, with the provider's API at this address.
pub(crate) async fn taking_from(url: String, domain: &str) -> Notified {
    let settings = [
        ADDRESS_KEY,
        ("RESEND_API_KEY", fake_mail::API_KEY),
        ("RESEND_API_BASE", &url),
        ("RESEND_RATE", "0"),
        ("RESEND_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("LEVQOR_INBOUND_DOMAIN", domain),
    ];
    Notified { service: TestService::start(&settings).await }
}

/// The calls to support that wait.
pub(crate) async fn handed_over(notified: &Notified) -> Vec<IngestInboundMailRequest> {
    let sql = "SELECT request FROM runtime.work WHERE rpc LIKE '%/IngestInboundMail'";
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar(sql).fetch_all(notified.service.db.pool()).await.expect("calls");
    rows.iter().map(|row| IngestInboundMailRequest::decode(&**row).expect("a request")).collect()
}

#[tokio::test]
async fn a_mail_to_us_is_handed_over_with_only_what_support_needs() {
    let provider = FakeMail::start();
    let notified = taking(&provider, "in.levqor.ai").await;
    let other = provider.receive(Inbound::new("a@b.cd", "sales@levqor.ai", "Hi"));
    notified.told(&other, EventState::Ignored).await;
    let mut mail = Inbound::new("Ada <ada@example.com>", "Ticket <ticket-1@in.levqor.ai>", "Hi");
    mail.text = None;
    mail.html = Some("<p>It <b>broke</b>.</p>".to_owned());
    mail.headers = vec![("Precedence", "bulk".to_owned()), ("Received", "secret path".to_owned())];
    mail.files = vec![("a.txt", b"abc".to_vec())];
    let webhook = provider.receive(mail);
    notified.told(&webhook, EventState::Applied).await;
    let calls = eventually("the mail is handed over", || async {
        Some(handed_over(&notified).await).filter(|calls| !calls.is_empty())
    })
    .await;
    let [call] = calls.as_slice() else { panic!("one") };
    assert_eq!(call.recipients, ["ticket-1@in.levqor.ai"]);
    assert_eq!(call.text.trim(), "It broke.");
    let headers: Vec<_> = call.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(headers, ["precedence"]);
    assert_eq!((call.attachments.len(), call.attachments[0].size_bytes), (1, 3));
    assert_eq!(notified.count("inbound_mails WHERE state = 'FORWARDED'").await, 1);
}

#[tokio::test]
async fn a_mail_that_the_provider_lacks_is_an_error_and_without_a_domain_nothing_is_fetched() {
    let (provider, elsewhere) = (FakeMail::start(), FakeMail::start());
    let notified = taking(&provider, "in.levqor.ai").await;
    let gone = elsewhere.receive(Inbound::new("a@b.cd", "ticket-1@in.levqor.ai", "Hi"));
    notified.told(&gone, EventState::Applied).await;
    eventually("it is settled", || async {
        (notified.count("inbound_mails WHERE state = 'GONE'").await == 1).then_some(())
    })
    .await;
    assert!(handed_over(&notified).await.is_empty());
    eventually("operators are told", || async {
        let told = "operator_notices WHERE kind = 'TICKET' AND about LIKE 'mails:not-fetched:%'";
        (notified.count(told).await == 1).then_some(())
    })
    .await;
    let off = taking(&provider, "").await;
    off.told(&provider.receive(Inbound::new("a@b.cd", "ticket-1@in.levqor.ai", "Hi")), EventState::Ignored)
        .await;
}

#[tokio::test]
async fn a_mail_whose_body_breaks_off_is_fetched_again() {
    let provider = FakeMail::start();
    let proxy = BreakingOff::start(&provider.url(), "/emails/receiving/", 2).await;
    let notified = taking_from(proxy.url(), "in.levqor.ai").await;
    let mail = Inbound::new("Ada <ada@example.com>", "ticket-1@in.levqor.ai", "It is whole.");
    notified.told(&provider.receive(mail), EventState::Applied).await;
    let calls = eventually("the mail is handed over", || async {
        // While a call is being made, its lease must not end.
        if notified.count("runtime.work WHERE leased_until > runtime.now()").await == 0 {
            notified.service.advance(chrono::TimeDelta::minutes(5)).await;
        }
        Some(handed_over(&notified).await).filter(|calls| !calls.is_empty())
    })
    .await;
    assert_eq!((calls.len(), calls[0].text.as_str()), (1, "It is whole."));
    assert_eq!(proxy.broken(), 2, "both were broken off, and neither was taken for the mail");
    assert_eq!(notified.count("inbound_mails WHERE state = 'GONE'").await, 0);
}
