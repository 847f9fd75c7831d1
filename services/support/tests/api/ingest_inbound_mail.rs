//! `IngestInboundMail`: a mail becomes a message once, and only 20 mails an hour do.

use chrono::TimeDelta;
use levqor_proto_inbound::v1::{
    InboundVerdict, IngestInboundMailRequest, IngestInboundMailResponse,
    inbound_mail_service_client::InboundMailServiceClient,
};
use levqor_proto_mail::v1::{NotifyOperatorsRequest, OperatorNoticeSeverity};
use levqor_runtime::testing::{Caller, eventually, refused, violated};

use levqor_proto_inbound::v1::{InboundAttachment, InboundHeader};
use levqor_proto_support::v1::CreateConversationRequest;

use crate::bench::{Bench, FakeCompliance, ada};

pub(crate) const DOMAIN: (&str, &str) = ("LEVQOR_INBOUND_DOMAIN", "in.levqor.ai");

/// The `n`th mail of Ada's to the only ticket.
pub(crate) async fn mail(bench: &Bench, n: u32) -> IngestInboundMailRequest {
    let token: String = sqlx::query_scalar("SELECT mail_token FROM tickets ORDER BY number LIMIT 1")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a ticket");
    IngestInboundMailRequest {
        inbound_mail_id: format!("0190b2c4-0000-7000-8000-{n:012}"),
        from: "Ada <ada@example.com>".to_owned(),
        recipients: vec![format!("ticket-{token}@in.levqor.ai")],
        subject: "Re: Help".to_owned(),
        text: format!("Mail {n}."),
        ..IngestInboundMailRequest::default()
    }
}

impl Bench {
    pub(crate) async fn ingest(
        &self,
        mail: IngestInboundMailRequest,
    ) -> Result<IngestInboundMailResponse, tonic::Status> {
        let notifications = Caller::service("notifications", "support");
        let mut client = InboundMailServiceClient::new(self.service.channel());
        Ok(client.ingest_inbound_mail(notifications.request(mail)).await?.into_inner())
    }
}

#[tokio::test]
async fn a_mail_is_ingested_once_and_only_so_many_an_hour_are_replies() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    for n in 0..20 {
        let answer = bench.ingest(mail(&bench, n).await).await.expect("ingested");
        assert_eq!((answer.verdict(), answer.duplicate), (InboundVerdict::Accepted, false), "{n}");
    }
    let again = bench.ingest(mail(&bench, 3).await).await.expect("known");
    assert_eq!((again.verdict(), again.duplicate), (InboundVerdict::Accepted, true));
    for n in 20..23 {
        let answer = bench.ingest(mail(&bench, n).await).await.expect("kept");
        assert_eq!(answer.verdict(), InboundVerdict::TooMany);
    }
    let seen = |shown: levqor_proto_support::v1::GetTicketResponse| shown.messages.len();
    assert_eq!(seen(bench.shown(&ada(), &id).await.expect("hers")), 21);
    assert_eq!(seen(bench.shown(&Caller::staff(), &id).await.expect("shown")), 24, "staff see what was kept");
    let warned = bench.notices().await;
    let warned = warned.iter().filter(|notice| notice.severity() == OperatorNoticeSeverity::Warning);
    assert_eq!(warned.count(), 1, "operators are told once");
    bench.advance(TimeDelta::hours(2)).await;
    let later = bench.ingest(mail(&bench, 30).await).await.expect("ingested");
    assert_eq!(later.verdict(), InboundVerdict::Accepted);
}

#[tokio::test]
async fn without_a_domain_no_mail_has_a_ticket_and_the_id_must_be_sound() {
    let bench = Bench::start().await;
    bench.ticket(&ada(), "Help").await;
    let answer = bench.ingest(mail(&bench, 1).await).await.expect("ingested");
    assert_eq!(answer.verdict(), InboundVerdict::NoTicket);
    let status = refused(bench.ingest(IngestInboundMailRequest::default()).await);
    assert_eq!(violated(&status), ["inbound_mail_id"]);
}

#[tokio::test]
async fn an_account_with_an_unproven_address_does_not_see_texts_of_the_addresss_owner() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    let mallory = Caller::unverified("mallory", "ada@example.com");
    let request = CreateConversationRequest {
        text: "I want a human".to_owned(),
        customer_email: "ada@example.com".to_owned(),
        ..Default::default()
    };
    let conversation = bench.create(&mallory, request).await.expect("created").conversation;
    let id = conversation.expect("a conversation").ticket_id;
    let opened = bench.shown(&Caller::staff(), &id).await.expect("shown").ticket.expect("a ticket");
    assert!(!opened.customer_verified && opened.customer_email == "ada@example.com", "{opened:?}");
    // The confirmation went to Ada, and she answers it.
    let answer = bench.ingest(mail(&bench, 1).await).await.expect("kept");
    assert_eq!(answer.verdict(), InboundVerdict::Stranger);
    let of_mallory = bench.shown(&mallory, &id).await.expect("the ticket is hers");
    assert!(of_mallory.messages.iter().all(|message| message.text != "Mail 1."), "{of_mallory:?}");
    let of_staff = bench.shown(&Caller::staff(), &id).await.expect("shown");
    let last = of_staff.messages.last().expect("a message");
    assert_eq!((last.text.as_str(), last.internal), ("Mail 1.", true));
}

#[tokio::test]
async fn a_message_says_that_the_end_of_its_mail_is_missing() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    let cut = IngestInboundMailRequest { text_is_cut: true, ..mail(&bench, 1).await };
    bench.ingest(cut).await.expect("ingested");
    let shown = bench.shown(&ada(), &id).await.expect("hers");
    let last = shown.messages.last().expect("a message");
    assert_eq!(last.text, "Mail 1.\n\n(The end of this mail is missing.)");
}

#[tokio::test]
async fn automatic_mails_do_not_count_for_the_limit_of_replies() {
    let bench = Bench::start_set(&[DOMAIN]).await;
    bench.ticket(&ada(), "Help").await;
    for n in 0..25 {
        let (name, value) = ("auto-submitted".to_owned(), "auto-replied".to_owned());
        let mut automatic = mail(&bench, n).await;
        automatic.headers = vec![InboundHeader { name, value }];
        let answer = bench.ingest(automatic).await.expect("kept");
        assert_eq!(answer.verdict(), InboundVerdict::Automatic, "{n}");
    }
    let answer = bench.ingest(mail(&bench, 100).await).await.expect("ingested");
    assert_eq!(answer.verdict(), InboundVerdict::Accepted, "she can still reply");
}

#[tokio::test]
async fn the_files_of_a_ticket_come_in_the_order_of_their_mails() {
    let folder = std::env::temp_dir().join(format!("levqor-support-{}", levqor_runtime::id::request_id()));
    let folder = folder.to_str().expect("text").to_owned();
    let bench = Bench::start_set(&[DOMAIN, ("LEVQOR_STORAGE_DIR", &folder)]).await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    let names = ["z.txt", "a.txt", "m.txt", "b.txt", "y.txt"];
    for n in 1..=3 {
        let mut mail = mail(&bench, n).await;
        let file = |(at, name): (usize, &&str)| InboundAttachment {
            attachment_id: (9 - at).to_string(),
            name: format!("{n}-{name}"),
            size_bytes: 1,
        };
        mail.attachments = names.iter().enumerate().map(file).collect();
        bench.ingest(mail).await.expect("ingested");
    }
    let shown = bench.shown(&ada(), &id).await.expect("hers");
    for (n, message) in shown.messages.iter().enumerate().skip(1) {
        let seen: Vec<_> = message.files.iter().map(|file| file.name.clone()).collect();
        assert_eq!(seen, names.map(|name| format!("{n}-{name}")), "{}", message.text);
    }
    std::fs::remove_dir_all(folder).expect("tidy");
}

/// Ingests mails of Ada's with this text until operators get this notice. On a busy machine the screen may not answer in time: then a
/// mail is kept with another warning.
async fn ingest_until_told(bench: &Bench, text: &str, about: &str) -> NotifyOperatorsRequest {
    eventually("operators are told", || async {
        // So many mails an hour are replies.
        bench.advance(TimeDelta::minutes(5)).await;
        let n = u32::try_from(bench.count("inbound_mails").await).expect("a number");
        let mail = IngestInboundMailRequest { text: text.to_owned(), ..mail(bench, n).await };
        bench.ingest(mail).await.expect("kept");
        bench.warnings().await.into_iter().find(|notice| notice.about.starts_with(about))
    })
    .await
}

#[tokio::test]
async fn a_mail_with_high_risk_data_is_kept_and_staff_and_operators_are_warned() {
    let compliance = FakeCompliance::start().await;
    let bench = Bench::start_set(&[DOMAIN, ("LEVQOR_COMPLIANCE_ADDR", &compliance.address)]).await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    let text = "Here are our patient records.";
    let told = ingest_until_told(&bench, text, &format!("ticket:{id}:blocked:MEDICAL")).await;
    assert_eq!(told.severity(), OperatorNoticeSeverity::Warning);
    let of_ada = bench.shown(&ada(), &id).await.expect("hers").messages;
    assert_eq!(of_ada.last().expect("a message").text, text, "it is a reply like others");
    let of_staff = bench.shown(&Caller::staff(), &id).await.expect("shown").messages;
    let [.., mail, note] = of_staff.as_slice() else { panic!("{of_staff:?}") };
    assert!(mail.text == text && note.internal, "{of_staff:?}");
    assert!(note.text.contains("that we do not accept"), "{}", note.text);
    // A mail with a term that only warns has no note.
    let text = "Our solicitor will call.";
    let told = ingest_until_told(&bench, text, &format!("ticket:{id}:LEGAL")).await;
    assert_eq!(told.severity(), OperatorNoticeSeverity::Info);
    let of_staff = bench.shown(&Caller::staff(), &id).await.expect("shown").messages;
    assert_eq!(of_staff.last().expect("a message").text, text);
}

#[tokio::test]
async fn operators_get_a_notice_of_mails_that_were_not_screened() {
    // No compliance runs here.
    let bench = Bench::start_set(&[DOMAIN]).await;
    bench.ticket(&ada(), "Help").await;
    assert_eq!(bench.warnings().await.len(), 1, "of the ticket");
    let first = mail(&bench, 1).await;
    for _ in 0..2 {
        bench.ingest(first.clone()).await.expect("ingested");
        assert_eq!(bench.warnings().await.len(), 2, "of the mail, once");
    }
    let empty = IngestInboundMailRequest { text: String::new(), ..mail(&bench, 2).await };
    bench.ingest(empty).await.expect("ingested");
    assert_eq!(bench.warnings().await.len(), 2, "there is nothing to screen");
    // A reply to a closed ticket opens another one, which the notice names.
    bench.execute("UPDATE tickets SET state = 'CLOSED', open_since = NULL").await;
    bench.ingest(mail(&bench, 3).await).await.expect("ingested");
    let opened: String = sqlx::query_scalar("SELECT ticket_id::text FROM tickets WHERE origin = 'MAIL'")
        .fetch_one(bench.service.db.pool())
        .await
        .expect("a ticket");
    let told = bench.warnings().await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().any(|notice| notice.text.starts_with(&format!("ticket:{opened} "))), "{told:?}");
}
