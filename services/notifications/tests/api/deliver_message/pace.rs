//! The pace of a provider, kept by the database: mails leave in slots, whichever call hands them over, and marketing leaves after
//! other mail.

use levqor_proto_notifications::v1::message::State;
use levqor_runtime::testing::eventually;
use sqlx::Row;

use crate::{Notified, fake_smtp::FakeSmtp};

impl Notified {
    /// The times between the attempts, in milliseconds.
    async fn gaps(&self) -> Vec<i64> {
        let sql = "SELECT (extract(epoch FROM begin_time - lag(begin_time) OVER (ORDER BY begin_time)) * 1000)::bigint
                   FROM delivery_attempts ORDER BY begin_time OFFSET 1";
        let rows = sqlx::query(sql).fetch_all(self.service.db.pool()).await.expect("gaps");
        rows.into_iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn mails_at_once_are_sent_in_slots_and_those_without_a_slot_are_retried() {
    let smtp = FakeSmtp::start();
    let notified = Notified::start_with_smtp(None, &smtp, &[("SMTP_RATE", "4")]).await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(notified.pending().await);
    }
    let answers = futures_util::future::join_all(ids.iter().map(|id| notified.deliver(id))).await;
    let sent = answers.into_iter().filter(|answer| matches!(answer, Ok(State::Sent))).count();
    // A slot now, and four within a second. On a slow machine more of them come when their slot is near.
    assert!(sent >= 5, "{sent}");
    eventually("all left", || async { (smtp.accepted().len() == 7).then_some(()) }).await;
    let gaps = notified.gaps().await;
    assert!(gaps.iter().all(|gap| *gap >= 250), "{gaps:?}");
    let late = notified.pending().await;
    notified.execute("UPDATE provider_paces SET next_slot_time = runtime.now() + interval '1 minute'").await;
    assert_eq!(notified.deliver(&late).await.expect("an answer"), State::Pending, "it comes back");
    assert_eq!(smtp.accepted().len(), 7);
}

#[tokio::test]
async fn marketing_takes_no_slot_that_other_mail_would_wait_for() {
    let smtp = FakeSmtp::start();
    // The next slot is two seconds away: too far for marketing, and not for a receipt.
    let notified = Notified::start_with_smtp(None, &smtp, &[("SMTP_RATE", "0.5")]).await;
    let first = notified.pending().await;
    let later = [notified.pending().await, notified.pending().await, notified.pending().await];
    notified
        .execute(
            "UPDATE messages SET class = 'MARKETING', category = 'PRODUCT_UPDATES';
             INSERT INTO permissions (recipient_hash, category, state, source, create_time, change_time)
             SELECT DISTINCT recipient_hash, 'PRODUCT_UPDATES', 'GRANTED', 'test', runtime.now(), runtime.now() FROM messages",
        )
        .await;
    let receipt = notified.pending().await;
    assert_eq!(notified.deliver(&first).await.expect("an answer"), State::Sent);
    let (mut delivered, mut state) = (1, State::Sent);
    // A busy machine may come to one of them only when its slot is near.
    for id in &later {
        notified
            .execute("UPDATE provider_paces SET next_slot_time = runtime.now() + interval '2 seconds'")
            .await;
        state = notified.deliver(id).await.expect("an answer");
        delivered += 1;
        if state == State::Pending {
            break;
        }
    }
    assert_eq!(state, State::Pending, "it comes back");
    assert_eq!(notified.deliver(&receipt).await.expect("an answer"), State::Sent, "it has the next slot");
    eventually("all left", || async { (smtp.accepted().len() == delivered + 1).then_some(()) }).await;
    let gaps = notified.gaps().await;
    assert!(gaps.iter().all(|gap| *gap >= 2_000), "{gaps:?}");
}
