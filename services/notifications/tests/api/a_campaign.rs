//! The pace of a provider during a campaign, over a minute. Tests start in the order of their names: this one has a name that puts
//! it first, so that the others run beside it.

use std::time::{Duration, Instant};

use levqor_notifications::Notifications;
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

/// A percentile of sorted times.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().expect("receipts")
}

/// A campaign, the SMTP server that gets its mails, and the receipts that were requested meanwhile.
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

/// Usually this watches the pace for a minute. Ten thousand mails take a quarter of an hour, on a machine that does nothing else:
/// `PACE_MAILS=10000 cargo test --workspace a_campaign`
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_keep_the_pace_of_a_campaign_and_receipts_do_not_wait_for_it() {
    let asked = Env::from_process().get("PACE_MAILS").and_then(|text| text.parse().ok());
    // If the number of mails is set, no other test runs.
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
        percentile(&waits, 50),
        percentile(&waits, 90),
        percentile(&waits, 100),
        percentile(&turns, 50),
        percentile(&turns, 90),
        percentile(&turns, 100),
    );
    assert_eq!(arrived.len(), mails + campaign.receipts.len(), "each came once");
    assert!(most <= 630, "{most} in a minute");
    // A machine that does other work at the same time may hold up some of them.
    let share = if is_alone { 100 } else { 50 };
    assert!(
        percentile(&turns, share) <= Duration::from_secs(1),
        "receipts left late after their turn: {turns:?}"
    );
    // Their turn is at most a second away, because marketing takes no later slot.
    let share = if is_alone { 90 } else { 50 };
    assert!(percentile(&waits, share) <= Duration::from_secs(2), "receipts waited: {waits:?}");
    // Other tests use memory of the same process.
    assert!(!is_alone || after < before + 16, "{before} MiB became {after}");
    second.stop().await;
}
