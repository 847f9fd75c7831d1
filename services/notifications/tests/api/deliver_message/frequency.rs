//! How often and when advertising is sent: a mail whose delivery has begun counts, too, and no advertising is sent at night.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_notifications::Notifications;
use levqor_proto_notifications::v1::message::State;
use levqor_runtime::testing::{TestService, eventually};

use crate::{
    ADDRESS_KEY, AT_ANY_HOUR, Notified,
    fake_mail::{self, Behaviour, FakeMail},
};

/// All messages are advertising to one person, who agreed.
const TO_ONE_PERSON: &str = "
    UPDATE messages SET class = 'MARKETING', category = 'PRODUCT_UPDATES', recipient_hash = sha256('ada');
    INSERT INTO permissions (recipient_hash, category, state, source, create_time, change_time)
    SELECT DISTINCT recipient_hash, 'PRODUCT_UPDATES', 'GRANTED', 'test', runtime.now(), runtime.now() FROM messages";

#[tokio::test]
async fn of_two_mails_at_once_only_one_is_the_last_of_the_month() {
    let provider = FakeMail::start();
    let url = provider.url();
    let settings = [
        ADDRESS_KEY,
        AT_ANY_HOUR,
        ("LEVQOR_MARKETING_PER_MONTH", "1"),
        ("RESEND_API_KEY", fake_mail::API_KEY),
        ("RESEND_API_BASE", url.as_str()),
        ("RESEND_RATE", "0"),
    ];
    let notified = Notified { service: TestService::<Notifications>::start(&settings).await };
    let (first, second) = (notified.pending().await, notified.pending().await);
    notified.execute(TO_ONE_PERSON).await;
    provider.next([Behaviour::AcceptSlowly(Duration::from_secs(10))]);
    let meanwhile = async {
        eventually("the first is on its way", || async { (provider.accepted().len() == 1).then_some(()) })
            .await;
        let state = notified.deliver(&second).await;
        provider.release();
        state
    };
    let (sent, waits) = tokio::join!(notified.deliver(&first), meanwhile);
    assert_eq!((sent.expect("an answer"), waits.expect("an answer")), (State::Sent, State::Pending));
    assert_eq!(provider.accepted().len(), 1);
    assert_eq!(notified.count("runtime.work WHERE due_time > create_time + interval '29 days'").await, 1);
}

/// From now to 22:00 in London on the next day, in seconds.
const TO_THE_NIGHT: &str = "
    SELECT extract(epoch FROM (date_trunc('day', runtime.now() AT TIME ZONE 'Europe/London') + interval '46 hours')
                              AT TIME ZONE 'Europe/London' - runtime.now())::bigint";
/// When the waiting deliveries are due, in London.
const DUE: &str = "
    SELECT to_char(due_time AT TIME ZONE 'Europe/London', 'HH24:MI') FROM runtime.work WHERE rpc LIKE '%/DeliverMessage'";

#[tokio::test]
async fn advertising_waits_for_the_morning_and_other_mail_does_not() {
    let notified = Notified {
        service: TestService::<Notifications>::start(&[ADDRESS_KEY, ("LEVQOR_MARKETING_HOURS", "9-20")])
            .await,
    };
    let pool = notified.service.db.pool();
    let seconds: i64 = sqlx::query_scalar(TO_THE_NIGHT).fetch_one(pool).await.expect("a time");
    notified.advance(TimeDelta::seconds(seconds)).await;
    let tip = notified.pending().await;
    notified.execute(TO_ONE_PERSON).await;
    let receipt = notified.pending().await;
    assert_eq!(notified.deliver(&tip).await.expect("an answer"), State::Pending);
    assert_eq!(notified.deliver(&receipt).await.expect("an answer"), State::Sent);
    let due: Vec<String> = sqlx::query_scalar(DUE).fetch_all(pool).await.expect("calls");
    assert_eq!(due, ["09:00"]);
    // Clocks may be put back in this night.
    notified.advance(TimeDelta::hours(12)).await;
    let sent = "messages WHERE class = 'MARKETING' AND state = 'SENT'";
    eventually("it is sent in the morning", || async { (notified.count(sent).await == 1).then_some(()) })
        .await;
}
