//! `NotifyOperators`: operators get a fact once on every channel that is set up; repetitions are counted until the fact is over.

use levqor_proto_mail::v1::{
    EndOperatorNoticeRequest, EndOperatorNoticeResponse, NotifyOperatorsRequest, NotifyOperatorsResponse,
    OperatorNoticeKind, OperatorNoticeSeverity, operator_service_client::OperatorServiceClient,
};
use levqor_proto_notifications::v1::{ListOperatorNoticesRequest, OperatorNotice};
use levqor_proto_runtime::v1::{
    GetDigestRequest, ReplayDeferredCallRequest, Report, digest_service_client::DigestServiceClient,
    work_service_client::WorkServiceClient,
};
use levqor_runtime::testing::{Caller, TestService, eventually};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::{ADDRESS_KEY, Notified, UNKNOWN_ID, fake_operators::FakeChannels, violated};

impl Notified {
    /// Starts the service with every channel set, and a mailbox.
    pub(crate) async fn start_with_channels(channels: &FakeChannels) -> Self {
        let settings = channels.settings();
        let mut all = vec![ADDRESS_KEY, ("RECEIVING_EMAIL", "ops@example.com")];
        all.extend(settings.iter().map(|(name, value)| (*name, value.as_str())));
        Self { service: TestService::start(&all).await }
    }

    /// Reports a fact of this second, as billing does.
    pub(crate) async fn report(&self, second: i64, text: &str) -> Result<NotifyOperatorsResponse, Status> {
        let request = NotifyOperatorsRequest { text: text.to_owned(), ..fact(second) };
        let billing = Caller::service("billing", "notifications").with_key(&format!("{second}"));
        let mut client = OperatorServiceClient::new(self.channel());
        Ok(client.notify_operators(billing.request(request)).await?.into_inner())
    }

    /// Says that it was over at this second.
    pub(crate) async fn end(&self, second: i64) -> EndOperatorNoticeResponse {
        let NotifyOperatorsRequest { kind, about, fact_time, .. } = fact(second);
        let billing = Caller::service("billing", "notifications").with_key(&format!("{second}"));
        let request = billing.request(EndOperatorNoticeRequest { kind, about, fact_time });
        OperatorServiceClient::new(self.channel())
            .end_operator_notice(request)
            .await
            .expect("ended")
            .into_inner()
    }

    /// The notices, newest first.
    pub(crate) async fn notices(&self) -> Vec<OperatorNotice> {
        let request = Caller::staff().request(ListOperatorNoticesRequest::default());
        self.client().list_operator_notices(request).await.expect("a list").into_inner().operator_notices
    }
}

/// A fact of this second.
fn fact(second: i64) -> NotifyOperatorsRequest {
    NotifyOperatorsRequest {
        kind: OperatorNoticeKind::QuarantinedEvent.into(),
        severity: OperatorNoticeSeverity::Warning.into(),
        about: "stripe-event:evt_1".to_owned(),
        text: "Stripe event evt_1 was quarantined".to_owned(),
        link: "https://levqor.ai/?a=1&b=2".to_owned(),
        fact_time: Some(Timestamp { seconds: second, nanos: 0 }),
    }
}

#[tokio::test]
async fn a_fact_is_sent_to_every_channel_with_its_text_escaped() {
    let channels = FakeChannels::start().await;
    let notified = Notified::start_with_channels(&channels).await;
    assert!(notified.report(1, "<b>&</b> was\nquarantined").await.expect("told").told);
    eventually("every channel has it", || async {
        let all = [channels.telegram(), channels.slack(), channels.whatsapp()];
        all.iter().all(|got| got.len() == 1).then_some(())
    })
    .await;
    let telegram = &channels.telegram()[0];
    assert_eq!(telegram["parse_mode"], "HTML");
    let html = telegram["text"].as_str().expect("a text");
    assert!(
        html.contains("<b>Warning: Event quarantined</b>\n&lt;b&gt;&amp;&lt;/b&gt; was\nquarantined"),
        "{html}"
    );
    let slack = &channels.slack()[0];
    assert_eq!(slack["mrkdwn"], false);
    assert!(slack["text"].as_str().is_some_and(|text| text.contains("&lt;b&gt;&amp;&lt;/b&gt;")), "{slack}");
    let template = &channels.whatsapp()[0]["template"];
    assert_eq!(template["name"], "operator_notice");
    let parameter = template["components"][0]["parameters"][0]["text"].as_str().expect("a parameter");
    assert!(
        parameter.starts_with("Warning: Event quarantined · <b>&</b> was quarantined · https"),
        "{parameter}"
    );
}

#[tokio::test]
async fn the_same_fact_is_counted_until_it_is_over_and_then_makes_a_new_notice() {
    let channels = FakeChannels::start().await;
    let notified = Notified::start_with_channels(&channels).await;
    let told = |answer: Result<NotifyOperatorsResponse, Status>| answer.expect("an answer").told;
    assert!(told(notified.report(1, "first").await));
    assert!(!told(notified.report(2, "second").await));
    assert!(!notified.end(3).await.operator_notice_id.is_empty());
    assert!(told(notified.report(4, "third").await));
    let notices = notified.notices().await;
    let shown: Vec<_> =
        notices.iter().map(|it| (it.text.as_str(), it.times, it.end_time.is_some())).collect();
    assert_eq!(shown, [("third", 1, false), ("first", 2, true)]);
    eventually("both are told", || async { (channels.slack().len() == 2).then_some(()) }).await;
    let slack: Vec<_> =
        channels.slack().iter().filter_map(|it| it["text"].as_str().map(str::to_owned)).collect();
    let third = slack.iter().find(|text| text.contains("third")).expect("the third");
    assert!(third.contains("Times since then: 2."), "{third}");
    let mailed = eventually("both are mailed", || async {
        let texts = "SELECT body_text FROM messages WHERE template = 'operator_notice' ORDER BY create_time";
        let texts: Vec<String> =
            sqlx::query_scalar(texts).fetch_all(notified.service.db.pool()).await.expect("mails");
        (texts.len() == 2).then_some(texts)
    })
    .await;
    let with = |text: &str| mailed.iter().find(|mail| mail.contains(text)).expect("a mail");
    assert!(with("third").contains("Times since then: 2"), "{mailed:?}");
    assert!(!with("first").contains("Times since then"), "{mailed:?}");
}

#[tokio::test]
async fn a_report_says_how_often_an_open_notice_was_reported() {
    let notified = Notified::start().await;
    for second in 1..=3 {
        notified.report(second, "it fails").await.expect("an answer");
    }
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let request = GetDigestRequest {
        service: "notifications".to_owned(),
        report: Report::DailyErrors.into(),
        begin_time: at(0),
        end_time: at(1),
    };
    let own = Caller::service("notifications", "notifications");
    let digest = DigestServiceClient::new(notified.channel()).get_digest(own.request(request)).await;
    let lines = digest.expect("an answer").into_inner().lines;
    let expected = "Open: Event quarantined stripe-event:evt_1, reported 3 times";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
}

#[tokio::test]
async fn a_notice_that_arrives_after_its_end_is_not_sent() {
    let notified = Notified::start().await;
    assert!(notified.end(2).await.operator_notice_id.is_empty());
    let late = notified.report(1, "late").await.expect("an answer");
    assert!(!late.told && late.operator_notice_id.is_empty());
    assert!(notified.notices().await.is_empty());
    assert!(notified.report(3, "a new fact").await.expect("an answer").told);
}

#[tokio::test]
async fn a_fact_needs_a_kind_a_text_and_a_time() {
    let notified = Notified::start().await;
    let request = NotifyOperatorsRequest { about: "ada@example.com".to_owned(), ..Default::default() };
    let billing = Caller::service("billing", "notifications").with_key("k");
    let status = OperatorServiceClient::new(notified.channel())
        .notify_operators(billing.request(request))
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violated(&status), ["kind", "severity", "about", "text", "fact_time"]);
}

/// A deferred delivery of a message that does not exist: such a call is dead at once.
const DOOMED: &str = "
    INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, due_time, create_time)
    VALUES (gen_random_uuid(), 'levqor.notifications.v1.NotificationsService/DeliverMessage',
            '\\x0a24'::bytea || convert_to($1, 'UTF8'), 'doomed', runtime.now(), runtime.now())
    RETURNING work_id::text";

#[tokio::test]
async fn operators_get_a_notice_of_a_dead_call_until_it_is_replayed() {
    let notified = Notified::start().await;
    let doomed = sqlx::query_scalar(DOOMED).bind(UNKNOWN_ID);
    let call: String = doomed.fetch_one(notified.service.db.pool()).await.expect("a call");
    notified.service.advance(chrono::TimeDelta::zero()).await;
    let notice = eventually("operators are told", || async { notified.notices().await.pop() }).await;
    assert_eq!(notice.about, format!("deferred-call:notifications:{call}"));
    assert_eq!((notice.kind.as_str(), notice.severity.as_str(), notice.times), ("DEAD_CALL", "WARNING", 1));
    assert!(
        notice.text.contains("DeliverMessage failed for good (NOT_FOUND MESSAGE_NOT_FOUND)"),
        "{}",
        notice.text
    );

    // The cause is mended: the message is there.
    notified.pending().await;
    notified.execute(&format!("UPDATE messages SET message_id = '{UNKNOWN_ID}'")).await;
    let replay = ReplayDeferredCallRequest { service: "notifications".to_owned(), deferred_call_id: call };
    let mut admin = WorkServiceClient::new(notified.channel());
    admin.replay_deferred_call(Caller::admin().with_key("r").request(replay)).await.expect("replayed");
    eventually("the notice has ended", || async { notified.notices().await.pop()?.end_time }).await;
    eventually("the mail is sent", || async { (notified.count("mailbox").await == 1).then_some(()) }).await;
    assert_eq!(notified.notices().await.len(), 1);
}
