//! The pace of a provider, kept by the database: mails leave in slots, whichever call hands them over, and marketing leaves after
//! other mail.

use std::time::{Duration, Instant};

use levqor_notifications::Notifications;
use levqor_proto_notifications::v1::message::State;
use levqor_runtime::{
    config::Env,
    testing::{TestService, eventually},
};
use sqlx::Row;

use crate::{
    ADDRESS_KEY, AT_ANY_HOUR, Notified,
    fake_smtp::{FakeSmtp, Received},
    welcome,
};

const MINUTE: Duration = Duration::from_mins(1);

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
async fn mails_that_come_together_leave_in_slots_and_those_without_a_slot_come_back() {
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

/// Marketing mails of this many people, who agreed, each with its deferred delivery.
const CAMPAIGN: &str = "
    INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, class, category, requested_by,
                          sender, subject, body_text, body_html, state, create_time)
    SELECT gen_random_uuid(), 'order_welcome', 1, 'campaign:' || n, n || '@example.com', sha256(n::text::bytea), 'MARKETING',
           'PRODUCT_UPDATES', 'billing', 'Levqor <orders@levqor.ai>', 'News', 'News', '<p>News</p>', 'PENDING', runtime.now()
    FROM generate_series(1, MAILS) AS n;
    INSERT INTO permissions (recipient_hash, category, state, source, create_time, change_time)
    SELECT recipient_hash, category, 'GRANTED', 'test', runtime.now(), runtime.now() FROM messages;
    INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, due_time, create_time, lane)
    SELECT gen_random_uuid(), 'levqor.notifications.v1.NotificationsService/DeliverMessage',
           '\\x0a24'::bytea || message_id::text::bytea, 'deliver:' || message_id, runtime.now(), runtime.now(), '/advertising'
    FROM messages";

/// The memory of this process, in MiB.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("the memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// The most mails that arrived within any minute.
fn most_in_a_minute(arrived: &[Received]) -> usize {
    let within =
        |first: Instant| arrived.iter().filter(|it| it.at >= first && it.at - first < MINUTE).count();
    arrived.iter().map(|mail| within(mail.at)).max().unwrap_or_default()
}

/// The longest of this share of the times, in per cent.
fn part(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().expect("receipts")
}

/// A campaign, and what it took.
struct Campaign {
    notified: Notified,
    smtp: FakeSmtp,
    /// When each receipt was asked for.
    receipts: Vec<Instant>,
}

impl Campaign {
    /// Asks for a receipt, and again each time when fifty more mails of the campaign were sent, until all were.
    async fn run(&mut self) {
        let waiting = "messages WHERE state = 'PENDING' AND class = 'MARKETING'";
        loop {
            let left = self.notified.count(waiting).await;
            if left == 0 {
                return;
            }
            let number = self.receipts.len().to_string();
            self.receipts.push(Instant::now());
            self.notified
                .sent(&format!("receipt-{number}"), welcome(&number, &format!("receipt{number}@example.com")))
                .await;
            eventually("fifty more are sent, or all", || async {
                let now = self.notified.count(waiting).await;
                (now == 0 || now + 50 <= left).then_some(())
            })
            .await;
        }
    }

    /// The times from the request of each receipt until it arrived, the shortest first.
    fn waits(&self) -> Vec<Duration> {
        let arrived = self.smtp.accepted();
        let took = |(number, asked): (usize, &Instant)| {
            let to = format!("receipt{number}@example.com");
            let mut mails = arrived.iter().filter(|mail| mail.to == to);
            let (mail, second) = (mails.next().expect("it arrived"), mails.next());
            assert!(second.is_none(), "a receipt came twice");
            mail.at - *asked
        };
        let mut waits: Vec<_> = self.receipts.iter().enumerate().map(took).collect();
        waits.sort();
        waits
    }

    /// The times from the turn of each receipt (its slot) until it was sent, the shortest first.
    async fn after_their_turns(&self) -> Vec<Duration> {
        let sql = "SELECT (extract(epoch FROM send_time - begin_time) * 1000)::bigint AS ms
                   FROM messages JOIN delivery_attempts USING (message_id) WHERE class <> 'MARKETING' ORDER BY ms";
        let rows = sqlx::query(sql).fetch_all(self.notified.service.db.pool()).await.expect("rows");
        let times =
            rows.iter().map(|row| Duration::from_millis(row.get::<i64, _>(0).try_into().unwrap_or_default()));
        times.collect()
    }
}

/// A minute is watched whenever the tests run. Ten thousand mails take a quarter of an hour, on a machine that does nothing else:
/// `PACE_MAILS=10000 cargo test --workspace --test api pace::a_campaign`
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_on_two_replicas_keeps_its_pace_and_receipts_pass_it() {
    let asked = Env::from_process().get("PACE_MAILS").and_then(|text| text.parse().ok());
    // The run by command has the machine for itself.
    let (mails, is_alone) = (asked.unwrap_or(620usize), asked.is_some());
    let smtp = FakeSmtp::start_keeping_no_data();
    let notified = Notified::start_with_smtp(None, &smtp, &[("SMTP_RATE", "10")]).await;
    let url = smtp.url();
    let settings = [ADDRESS_KEY, AT_ANY_HOUR, ("SMTP_URL", url.as_str()), ("SMTP_RATE", "10")];
    let second = TestService::<Notifications>::start_on(notified.service.url.clone(), &settings).await;
    let begun = Instant::now();
    notified.execute(&CAMPAIGN.replace("MAILS", &mails.to_string())).await;
    let before = memory_mib();
    let mut campaign = Campaign { notified, smtp, receipts: Vec::new() };
    campaign.run().await;

    let after = memory_mib();
    let arrived = campaign.smtp.accepted();
    let (most, waits, turns) =
        (most_in_a_minute(&arrived), campaign.waits(), campaign.after_their_turns().await);
    println!(
        "{mails} mails and {} receipts in {:.0?}: at most {most} in a minute; receipts arrived {:.0?} after their request (nine in \
         ten within {:.0?}, all within {:.0?}) and were sent {:.0?} after their turn (nine in ten within {:.0?}, all within {:.0?}); \
         {before} MiB became {after} MiB",
        waits.len(),
        begun.elapsed(),
        part(&waits, 50),
        part(&waits, 90),
        part(&waits, 100),
        part(&turns, 50),
        part(&turns, 90),
        part(&turns, 100),
    );
    assert_eq!(arrived.len(), mails + campaign.receipts.len(), "each came once");
    assert!(most <= 630, "{most} in a minute");
    // A machine that does other work at the same time may hold up some of them.
    let share = if is_alone { 100 } else { 50 };
    assert!(part(&turns, share) <= Duration::from_secs(1), "receipts left late after their turn: {turns:?}");
    // Their turn is at most a second away, because marketing takes no later slot.
    let share = if is_alone { 90 } else { 50 };
    assert!(part(&waits, share) <= Duration::from_secs(2), "receipts waited: {waits:?}");
    // Other tests use memory of the same process.
    assert!(!is_alone || after < before + 16, "{before} MiB became {after}");
    second.stop().await;
}
