//! Two mail providers in order, and what goes wrong between them: a crash, a timeout, a connection that is cut after the data, a
//! late event. No message is sent as two mails, and staff see each message that is in doubt.

use std::{ops::RangeInclusive, time::Duration};

use levqor_notifications::fail_point::{MESSAGE_ANSWERED, MESSAGE_ATTEMPTED};
use levqor_runtime::{fail_point::FailPoint, testing::eventually};
use serde_json::Value;

use super::{
    mail_provider::{MailProvider, shown_in_doubt},
    outcome::assert_told_once,
    processes::{Mesh, Plan},
    shop::Shop,
    tell,
};
use crate::{
    fakes::{
        mail::Behaviour::{self as AtResend, Accept, AcceptAndCut, AcceptSlowly, Fail, RateLimit},
        smtp::{
            Behaviour::{self as AtSmtp, AcceptAndWait, Cut, Reply},
            FakeSmtp,
        },
    },
    roles::Role::Notifications as N,
};

/// What happens to the two mails of an order, and how many of them are in doubt in the end.
struct Trouble {
    name: &'static str,
    at_resend: Vec<AtResend>,
    at_smtp: Vec<AtSmtp>,
    /// Where notifications are killed once.
    kill_at: Option<FailPoint>,
    doubts: RangeInclusive<usize>,
}

fn trouble(name: &'static str, doubts: RangeInclusive<usize>) -> Trouble {
    Trouble { name, at_resend: Vec::new(), at_smtp: Vec::new(), kill_at: None, doubts }
}

/// Longer than anybody waits for a provider.
const TOO_LONG: Duration = Duration::from_secs(20);
const CLOSING: AtSmtp = Reply("RCPT", "421 4.3.2 closing");

/// Resend first. It honours keys, so only the SMTP server leaves doubts.
fn with_resend_first() -> Vec<Trouble> {
    let refused = vec![RateLimit(1), Fail(403)];
    vec![
        Trouble { at_resend: refused.clone(), ..trouble("the second provider takes both", 0..=0) },
        Trouble {
            at_resend: refused.clone(),
            at_smtp: vec![AtSmtp::AcceptAndCut, Cut(".")],
            ..trouble("the second provider is silent after the data", 2..=2)
        },
        Trouble {
            // One mail waits for Resend, and the other for the SMTP server. Both attempts time out, in the same ten seconds.
            at_resend: vec![AcceptSlowly(TOO_LONG), Fail(429)],
            at_smtp: vec![AcceptAndWait],
            ..trouble("no answer in time", 1..=1)
        },
        Trouble {
            at_resend: refused.clone(),
            at_smtp: vec![CLOSING, Cut("DATA")],
            ..trouble("neither provider takes it at first", 0..=0)
        },
        Trouble {
            at_resend: refused,
            kill_at: Some(MESSAGE_ANSWERED),
            // The killed process did not store Resend's refusal. So for the next process Resend may have the mail, and only
            // Resend may get it again.
            ..trouble("killed between the providers", 0..=0)
        },
        Trouble {
            at_resend: vec![AcceptAndCut, Fail(503)],
            kill_at: Some(MESSAGE_ATTEMPTED),
            ..trouble("killed before the first provider", 0..=0)
        },
    ]
}

/// The SMTP server first.
fn with_smtp_first() -> Vec<Trouble> {
    vec![
        Trouble {
            at_smtp: vec![CLOSING, CLOSING],
            at_resend: vec![AcceptAndCut, Accept],
            ..trouble("the second provider is asked again under its key", 0..=0)
        },
        Trouble { kill_at: Some(MESSAGE_ANSWERED), ..trouble("killed when the mail is out", 1..=2) },
        Trouble { kill_at: Some(MESSAGE_ATTEMPTED), ..trouble("killed before the mail is out", 1..=2) },
        Trouble {
            at_smtp: vec![CLOSING, CLOSING],
            kill_at: Some(MESSAGE_ANSWERED),
            ..trouble("killed after a refusal, which nobody knows then", 1..=2)
        },
    ]
}

async fn start(order: &str, shop: &Shop, post: &MailProvider, smtp: &FakeSmtp) -> Mesh {
    let mut plan = Plan::new(1, shop, post).await;
    plan.settings.extend([
        ("SMTP_URL", smtp.url()),
        ("SMTP_RATE", "0".to_owned()),
        ("LEVQOR_MAIL_PROVIDERS", order.to_owned()),
    ]);
    Mesh::start(plan).await
}

/// Sells one order while this happens. Returns how many mails are in doubt in the end.
async fn happen(
    mesh: &mut Mesh,
    shop: &mut Shop,
    post: &MailProvider,
    smtp: &FakeSmtp,
    trouble: Trouble,
) -> usize {
    let n = mesh.first(N);
    if let Some(point) = trouble.kill_at {
        mesh.kill(n);
        mesh.spawn(n, Some(point));
        mesh.listening(n).await;
    }
    post.heal();
    smtp.heal();
    post.next(trouble.at_resend);
    smtp.next(trouble.at_smtp);
    shop.sell();
    shop.close();
    if let Some(point) = trouble.kill_at {
        mesh.killed_itself(n, point).await;
        // The work of the killed process is claimed again when its leases have expired.
        mesh.advance(chrono::TimeDelta::minutes(1)).await;
        mesh.spawn(n, None);
    }
    shop.all_taken().await;
    // The mesh's time does not move while a delivery waits for a provider.
    mesh.done().await;
    assert_told_once(mesh, shop).await;
    assert_one_mail_each(mesh, post, smtp).await
}

/// What our database says of one message.
#[derive(sqlx::FromRow)]
struct Told {
    message_id: String,
    recipient: String,
    subject: String,
    state: String,
    provider: Option<String>,
    provider_message_id: Option<String>,
}

/// Asserts that each message is either SENT, and is exactly one mail, at the provider that our database names; or is in doubt, is
/// at most one mail, and is shown to staff. Returns how many messages are in doubt.
async fn assert_one_mail_each(mesh: &Mesh, post: &MailProvider, smtp: &FakeSmtp) -> usize {
    let messages: Vec<Told> = sqlx::query_as(
        "SELECT message_id::text, recipient, subject, state, provider, provider_message_id FROM messages",
    )
    .fetch_all(mesh.notifications().pool())
    .await
    .expect("rows");
    let (at_resend, at_smtp) = (post.accepted(), smtp.accepted());
    let (mut doubts, mut explained) = (0, 0);
    for told in messages {
        // The idempotency key begins with the id of the message. The Message-ID of an SMTP mail is made from the key.
        let of_resend: Vec<_> = at_resend
            .iter()
            .filter(|mail| mail.key.as_deref().is_some_and(|key| key.starts_with(&told.message_id)))
            .collect();
        let of_smtp =
            at_smtp.iter().filter(|mail| mail.data.contains(&format!("<{}", told.message_id))).count();
        let mails = of_resend.len() + of_smtp;
        explained += mails;
        let what = format!("{} to {}: {mails} mails, {}", told.subject, told.recipient, told.state);
        match told.state.as_str() {
            "SENT" => {
                assert_eq!(mails, 1, "{what}");
                let named = match told.provider.as_deref() {
                    Some("resend") => of_resend.first().map(|mail| mail.id.clone()),
                    _ => (of_smtp == 1).then(|| told.provider_message_id.clone()).flatten(),
                };
                assert_eq!(named, told.provider_message_id, "{what}: it is at another provider than we say");
            }
            "IN_DOUBT" => {
                assert!(mails <= 1, "{what}");
                doubts += 1;
            }
            _ => panic!("{what}"),
        }
    }
    assert_eq!(explained, at_resend.len() + at_smtp.len(), "mails that no message of ours explains");
    assert_eq!(shown_in_doubt(mesh).await.len(), doubts, "what staff see is not what is in doubt");
    doubts
}

/// Lets these troubles happen, one after the other.
async fn all(order: &str, troubles: Vec<Trouble>) -> (Mesh, Shop, MailProvider, FakeSmtp) {
    let (mut shop, post, smtp) = (Shop::open(0), MailProvider::open(true), FakeSmtp::start());
    let mut mesh = start(order, &shop, &post, &smtp).await;
    shop.deliver_to(mesh.door);
    let mut before = 0;
    for trouble in troubles {
        let (name, begun, expected) = (trouble.name, std::time::Instant::now(), trouble.doubts.clone());
        let doubts = happen(&mut mesh, &mut shop, &post, &smtp, trouble).await - before;
        assert!(expected.contains(&doubts), "{name}: {doubts} in doubt");
        before += doubts;
        println!("{name}: {doubts} in doubt, {:.1?}", begun.elapsed());
    }
    (mesh, shop, post, smtp)
}

#[tokio::test]
async fn faults_between_two_providers_send_no_second_mail_and_hide_no_doubt() {
    let (mesh, mut shop, post, smtp) = all("resend,smtp", with_resend_first()).await;
    event_ends_the_doubt_about_its_own_message_only(&mesh, &mut shop, &post).await;
    assert_one_mail_each(&mesh, &post, &smtp).await;
}

#[tokio::test]
async fn with_a_first_provider_that_honours_no_keys_there_are_not_two_mails_and_no_doubt_is_hidden() {
    all("smtp,resend", with_smtp_first()).await;
}

/// Resend accepts the mails and does not answer for longer than it remembers keys: the messages are in doubt. Then an event about
/// one of these mails arrives. Its tag names the message, so it ends the doubt about this message, and shows the outcome.
async fn event_ends_the_doubt_about_its_own_message_only(mesh: &Mesh, shop: &mut Shop, post: &MailProvider) {
    post.heal();
    post.next([AcceptAndCut; 200]);
    let (taken, seen) = (post.accepted().len(), shown_in_doubt(mesh).await);
    shop.sell();
    shop.close();
    shop.all_taken().await;
    eventually("Resend has both mails", || async { (post.accepted().len() == taken + 2).then_some(()) })
        .await;
    mesh.advance(chrono::TimeDelta::hours(25)).await;
    let doubts = eventually("both are in doubt", || async {
        let all = shown_in_doubt(mesh).await;
        (all.len() == seen.len() + 2).then_some(all)
    })
    .await;
    post.heal();

    let mail = post.accepted()[taken].clone();
    let webhook = post.tell(taken, "email.delivered", &Value::Null);
    eventually("the event is taken", || async {
        (tell(mesh.door, &webhook).await?.status == 200).then_some(())
    })
    .await;
    eventually("its outcome is known", || async {
        let outcomes = "SELECT outcome FROM delivery_reports JOIN messages USING (message_id)
                        WHERE state = 'SENT' AND provider_message_id = $1 AND recipient = $2 AND subject = $3";
        let outcomes = sqlx::query_scalar::<_, String>(outcomes);
        let outcomes = outcomes.bind(&mail.id).bind(&mail.to).bind(&mail.subject);
        let outcomes = outcomes.fetch_all(mesh.notifications().pool()).await.expect("rows");
        (outcomes == ["DELIVERED"]).then_some(())
    })
    .await;
    let still = shown_in_doubt(mesh).await;
    let ended: Vec<_> = doubts.difference(&still).cloned().collect();
    assert_eq!(ended, [mail.subject + &mail.to], "no person resolved it");
    assert_eq!(still.len(), doubts.len() - 1);
    // 25 hours have passed, so the reminders of the intake form are due too.
    mesh.rest().await;
}
