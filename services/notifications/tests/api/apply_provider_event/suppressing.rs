//! What bounces and complaints mean for the next mails to the same address.

use levqor_proto_notifications::v1::{ReplyClass, SuppressionReason, message::State};
use levqor_runtime::testing::eventually;
use serde_json::{Value, json};

use super::sent;
use crate::{
    EventState, Notified,
    fake_mail::{FakeMail, webhooks::no_such_address},
    welcome,
};

impl Notified {
    /// Sends another mail to the same address. Returns its state once it is settled, and why it is suppressed.
    async fn next(&self, order: &str) -> (State, SuppressionReason) {
        let id = self.send(order, welcome(order, "ada@example.com")).await.expect("stored").message_id;
        let message = eventually("it is settled", || async {
            let message = self.message(&id).await;
            (message.state() != State::Pending).then_some(message)
        })
        .await;
        (message.state(), message.suppression())
    }
}

fn bounce(kind: &str, text: &str) -> Value {
    json!({"bounce": {"type": kind, "subType": "General", "message": "It bounced.", "diagnosticCode": [text]}})
}

#[tokio::test]
async fn a_dead_address_gets_nothing_more_and_a_complaint_stops_no_receipt() {
    let (provider, notified, id) = sent().await;
    let complaint = provider.tell(0, "email.complained", 8, &json!({}));
    notified.told(&complaint, EventState::Applied).await;
    assert_eq!(notified.count("suppressions WHERE reason = 'COMPLAINT'").await, 1);
    assert_eq!(notified.next("2").await.0, State::Sent, "a receipt is not advertising");
    let bounce = provider.tell(1, "email.bounced", 9, &no_such_address());
    notified.told(&bounce, EventState::Applied).await;
    assert_eq!(notified.next("3").await, (State::Suppressed, SuppressionReason::HardBounce));
    assert_eq!(provider.accepted().len(), 2);
    let evidence = format!("suppressions WHERE reason = 'COMPLAINT' AND evidence = 'message:{id}'");
    assert_eq!(notified.count(&evidence).await, 1);
}

#[tokio::test]
async fn a_server_that_refuses_us_or_this_mail_suppresses_no_address() {
    for (text, class) in [
        (
            "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated",
            ReplyClass::Policy,
        ),
        ("smtp; 554 5.7.1 Spam message rejected", ReplyClass::Content),
        ("smtp; 550 5.4.5 Daily user sending limit exceeded", ReplyClass::Rate),
        // No rule knows these words.
        ("smtp; 550 5.0.350 Remote server returned an error: spoofed", ReplyClass::Unspecified),
    ] {
        let (provider, notified, id) = sent().await;
        let webhook = provider.tell(0, "email.bounced", 7, &bounce("Permanent", text));
        notified.told(&webhook, EventState::Applied).await;
        let report = notified.shown(&id).await.delivery_reports.pop().expect("a report");
        assert_eq!(report.reply_class(), class, "{text}");
        assert_eq!(notified.count("suppressions").await, 0, "{text}");
        assert_eq!(notified.next("2").await.0, State::Sent, "{text}");
    }
}

#[tokio::test]
async fn a_servers_reply_after_the_list_of_mails_decides_about_the_suppression() {
    for (text, reasons) in [
        ("smtp; 550 5.1.1 no such user", 1),
        ("smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated", 0),
    ] {
        let (provider, notified, id) = sent().await;
        // The sweep stores its own time, and no reply.
        let told = format!(
            "INSERT INTO delivery_reports (message_id, outcome, report_time, detail)
             VALUES ('{id}', 'BOUNCED_HARD', '2999-01-01', 'last_event')"
        );
        notified.execute(&told).await;
        let webhook = provider.tell(0, "email.bounced", 7, &bounce("Permanent", text));
        notified.told(&webhook, EventState::Applied).await;
        assert_eq!(notified.count("suppressions WHERE reason = 'HARD_BOUNCE'").await, reasons, "{text}");
    }
}

/// Three mails that bounce for this reason.
async fn three_bounces(text: &str) -> (FakeMail, Notified) {
    let (provider, notified, _) = sent().await;
    for (n, order) in ["2", "3"].into_iter().enumerate() {
        let webhook = provider.tell(n, "email.bounced", 7, &bounce("Transient", text));
        notified.told(&webhook, EventState::Applied).await;
        assert_eq!(notified.count("suppressions").await, 0);
        assert_eq!(notified.next(order).await.0, State::Sent);
    }
    let webhook = provider.tell(2, "email.bounced", 7, &bounce("Transient", text));
    notified.told(&webhook, EventState::Applied).await;
    (provider, notified)
}

#[tokio::test]
async fn three_temporary_bounces_stop_marketing_for_a_week() {
    let (_provider, notified) = three_bounces("smtp; 452 4.2.2 over quota").await;
    let week = "suppressions WHERE reason = 'SOFT_BOUNCES'
                AND until_time - create_time BETWEEN interval '6 days 23 hours' AND interval '7 days'";
    assert_eq!(notified.count(week).await, 1);
    assert_eq!(notified.next("4").await.0, State::Sent, "a receipt is still tried");
    let (_other, notified) =
        three_bounces("smtp; 421 4.7.0 temporarily deferred due to user complaints").await;
    assert_eq!(notified.count("suppressions").await, 0, "that is about us");
}
